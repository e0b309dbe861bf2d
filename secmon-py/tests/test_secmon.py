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


SIGMA = """
title: Root was tried
id: root_tried
logsource: {product: linux, service: sshd}
detection: {tried: {user.name: root, event.outcome: failure}, condition: tried}
level: high
"""


def test_sigma_rules_are_added():
    rules = secmon.Ruleset().sigma(SIGMA)
    (incident,) = secmon.scan([LINE], rules, now=NOW)
    assert (incident["rule"], incident["level"]) == ("root_tried", "high")
    assert "logs_removed" in rules.shipped().ids()
    with pytest.raises(secmon.SecmonError, match="mine.yml:5: error"):
        secmon.Ruleset().sigma(SIGMA.replace("tried}", "tired}"), name="mine.yml")


def test_a_profile_says_why():
    rules = secmon.Ruleset().add("profile", by=["user.name"], learn=3)
    line = "2026-11-{:02}T{}:00:00Z web-1 sshd[4]: Accepted password for bob from 192.0.2.7 port 4 ssh2"
    lines = [line.format(day, "09") for day in range(1, 9)] + [line.format(9, "23")]
    (incident,) = secmon.scan(lines, rules, now=NOW)
    assert incident["reason"] == "23:00 UTC: hour 23 seen on 0 of 8 days, usual 09"


def test_what_is_written_is_sealed_and_verified(tmp_path):
    url = f"sqlite://{tmp_path}/secmon.db"
    with secmon.Store(url).writer("web-1", secmon.Ruleset.builtin(), now=NOW) as writer:
        receipt = writer.write([LINE] * 5, now=NOW)
    assert [found["rule"] for found in receipt["detections"]] == ["brute_force"]
    (verdict,) = secmon.verify(url)
    assert verdict["ok"] and verdict["records"] >= 6


def test_proofs_and_exports_are_verified_without_the_store(tmp_path):
    store = secmon.Store(f"sqlite://{tmp_path}/secmon.db")
    with store.writer("web-1", secmon.Ruleset.builtin(), now=NOW) as writer:
        writer.write([LINE] * 5, now=NOW)
    vkeys = store.vkeys("web-1")
    proof, body = store.proof("web-1", 2), store.body("web-1", 2)
    secmon.check_proof(proof, body, vkeys)
    with pytest.raises(secmon.SecmonError, match="does not lead"):
        secmon.check_proof(proof, body.replace(b"web-1", b"web-2"), vkeys)
    assert store.export(tmp_path / "audit") >= 6
    note = store.checkpoint("web-1")
    assert note is not None
    (verdict,) = secmon.verify_export(tmp_path / "audit", vkeys=vkeys, anchors=[note])
    assert verdict["ok"]
    (records,) = (tmp_path / "audit").glob("*/records.jsonl")
    records.write_bytes(records.read_bytes().replace(b"51234", b"51235", 1))
    (verdict,) = secmon.verify_export(tmp_path / "audit", vkeys=vkeys)
    assert verdict["findings"][0]["verdict"] == "altered"


def test_a_personal_value_is_erased_and_every_proof_stays(tmp_path):
    url = f"sqlite://{tmp_path}/secmon.db"
    store = secmon.Store(url)
    store.set_erasable(["user.name"])
    with store.writer("web-1") as writer:
        writer.write([LINE.replace("root", "carol")] * 2)
        assert writer.erase("user", "carol") == 4
        assert writer.erase("user", "carol") == 0
    verdict = secmon.verify(url)[0]
    assert (verdict["ok"], verdict["erased"]) == (True, 4)
    with pytest.raises(secmon.SecmonError, match="event.action"):
        store.set_erasable(["event.action"])


def test_mistakes_are_named():
    with pytest.raises(secmon.SecmonError, match="failurs"):
        secmon.Ruleset().add("brute_force", failurs=3)
    with pytest.raises(secmon.SecmonError, match="no such file"):
        secmon.verify("sqlite://absent.db")
