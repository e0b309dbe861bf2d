"""The package from outside."""

from datetime import datetime, timezone

import pytest
import secmon

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
LINE = "Nov 20 11:59:00 web-1 sshd[42]: Failed password for root from 203.0.113.7 port 51234 ssh2"


def test_lines_are_parsed_into_ecs_fields():
    event = secmon.parse(LINE, now=NOW)
    assert event["source.ip"] == "203.0.113.7"
    assert event["@timestamp"] == "2026-11-20T11:59:00Z"


def test_a_scan_finds_the_incident():
    rules = secmon.Ruleset().add("brute_force", failures=3)
    (incident,) = secmon.scan([LINE] * 3, rules, now=NOW)
    assert (incident["rule"], incident["count"]) == ("brute_force", 3)
    assert incident["group"] == {"source.ip": "203.0.113.7"}
    assert secmon.scan([LINE] * 2, rules, now=NOW) == []


def test_what_is_written_is_sealed_and_verified(tmp_path):
    url = f"sqlite://{tmp_path}/secmon.db"
    with secmon.Store(url).writer("web-1", secmon.Ruleset.builtin(), now=NOW) as writer:
        receipt = writer.write([LINE] * 5, now=NOW)
    assert [found["rule"] for found in receipt["detections"]] == ["brute_force"]
    (verdict,) = secmon.verify(url)
    assert verdict["ok"] and verdict["records"] >= 6


def test_mistakes_are_named():
    with pytest.raises(secmon.SecmonError, match="failurs"):
        secmon.Ruleset().add("brute_force", failurs=3)
    with pytest.raises(secmon.SecmonError, match="no such file"):
        secmon.verify("sqlite://absent.db")
