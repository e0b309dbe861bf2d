//! Rules that come with secmon, line by line: what counts, and in whatever order it arrives.

use chrono::DateTime;
use secmon_core::parse::{Context, LineFormat};
use secmon_core::rules::{LoginAfterFailures, PortScan};
use secmon_core::{Counters, Ruleset};

fn logins(order: &[(i64, &str)]) -> Vec<u64> {
    let ruleset = Ruleset::builder().rule("l", LoginAfterFailures::default()).build().unwrap();
    let mut counters = Counters::new(&ruleset);
    for (at, (second, word)) in (0..).zip(order) {
        let time = DateTime::from_timestamp(*second, 0).unwrap();
        let line = format!(
            "{} web-1 sshd[{second}]: {word} password for root from 203.0.113.7 port 1 ssh2",
            time.format("%Y-%m-%dT%H:%M:%SZ")
        );
        counters.event("test", at, &ruleset.prepare_lines([line], time).remove(0));
    }
    counters.incidents().iter().map(|one| one.count).collect()
}

#[test]
fn a_login_behind_failures_is_found_in_whatever_order_they_arrive() {
    let failed = |second| (second, "Failed");
    let [first, second, third, fourth, fifth] = [0, 1, 2, 3, 4].map(failed);
    let login = (10, "Accepted");
    assert_eq!(logins(&[first, second, third, fourth, fifth, login]), [6]);
    assert_eq!(logins(&[first, second, third, fourth, login, fifth]), [6]);
    assert_eq!(logins(&[login, fifth, fourth, third, second, first]), [6]);
    assert_eq!(logins(&[first, second, third, login, fourth]), [0; 0]);
    // What failed behind a login, or before the one before it, is no matter of it.
    let again = [first, second, third, fourth, login, failed(11), (12, "Accepted")];
    assert_eq!(logins(&again), [0; 0]);
    let before = [failed(3), login, (20, "Accepted"), first, second, third, fourth, fifth];
    assert_eq!(logins(&before), [0; 0]);
    // A clock that is years ahead hides nothing.
    let ahead = (2_000_000_000, "Accepted");
    assert_eq!(logins(&[ahead, first, second, third, fourth, fifth, login]), [7]);
}

#[test]
fn answers_are_no_port_scan() {
    let cx = Context::new(DateTime::UNIX_EPOCH);
    let ruleset = Ruleset::builder().rule("p", PortScan::default()).build().unwrap();
    for (prefix, rest, counts) in [
        ("[UFW BLOCK] ", "PROTO=TCP SPT=4000 DPT=22 WINDOW=1 RES=0x00 SYN URGP=0", true),
        ("", "PROTO=TCP SPT=4000 DPT=22 SYN", true),
        ("[UFW BLOCK] ", "PROTO=TCP SPT=4000 DPT=22 FIN", true),
        ("[UFW BLOCK] ", "PROTO=TCP SPT=4000 DPT=22", true),
        ("[UFW BLOCK] ", "PROTO=UDP SPT=4000 DPT=40001 LEN=8", true),
        ("[UFW BLOCK] ", "PROTO=UDP SPT=53 DPT=161 LEN=8", true),
        ("[UFW BLOCK] ", "PROTO=UDP SPT=53 DPT=40001 LEN=8", false),
        ("[UFW BLOCK] ", "PROTO=TCP SPT=443 DPT=40001 RST", false),
        ("[UFW BLOCK] ", "PROTO=TCP SPT=443 DPT=40001 ACK FIN", false),
        ("", "PROTO=TCP SPT=443 DPT=40001 ACK SYN", false),
        ("[UFW AUDIT] ", "PROTO=TCP SPT=4000 DPT=22 SYN", false),
    ] {
        let packet = "IN=eth0 OUT= SRC=203.0.113.7 DST=192.0.2.1 LEN=44";
        let line = format!("Nov 20 11:59:00 web-1 kernel: [1.0] {prefix}{packet} {rest}");
        let prepared = ruleset.prepare(&line, LineFormat::Detect, &cx);
        assert_eq!(prepared.signals().len(), usize::from(counts), "{line}");
    }
}
