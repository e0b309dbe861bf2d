//! Anomalies: each yields just one incident, of the rule by whose id it is asked for.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use super::normal::firewall;
use super::wire::{Host, Lines};

type Write = fn(DateTime<Utc>, &mut Lines);

/// The anomalies that can be asked for.
pub(super) const ANOMALIES: &[(&str, Write)] = &[
    ("address", address),
    ("brute_force", brute_force),
    ("login_after_failures", login_after_failures),
    ("off_hours", off_hours),
    ("port_scan", port_scan),
    ("profile", profile),
    ("threshold", |end, lines| above(end, lines, "batch-1", [97.0, 40.0, 40.0])),
    ("threshold_disk", |end, lines| above(end, lines, "batch-2", [20.0, 40.0, 98.0])),
    ("threshold_memory", |end, lines| above(end, lines, "batch-3", [20.0, 98.0, 40.0])),
    ("unauthorized_access", unauthorized_access),
];

/// The last time that it was this hour, with half an hour to spare.
fn last(end: DateTime<Utc>, hour: u32, minute: u32) -> DateTime<Utc> {
    let spared = end - TimeDelta::minutes(30);
    let time = NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default();
    let today = spared.date_naive().and_time(time).and_utc();
    if today <= spared { today } else { today - TimeDelta::hours(24) }
}

/// Somebody logs in from outside the inside network, by day.
fn address(end: DateTime<Utc>, lines: &mut Lines) {
    lines.login(last(end, 11, 0), "203.0.113.66", "dara", "success");
}

/// A machine inside guesses passwords, known and unknown users, with a line that rsyslog folded.
fn brute_force(end: DateTime<Utc>, lines: &mut Lines) {
    let (start, host) = (last(end, 13, 0), Host(0));
    let from = "192.0.2.200";
    for attempt in 0..6 {
        let time = start + TimeDelta::seconds(attempt * 20);
        if attempt % 2 == 0 {
            lines.says(
                time,
                host,
                "sshd",
                &format!("Invalid user admin{attempt} from {from} port 5{attempt}022"),
            );
            let message = format!(
                "Failed password for invalid user admin{attempt} from {from} port 5{attempt}022 ssh2"
            );
            lines.says(time, host, "sshd", &message);
        } else {
            lines.says(
                time,
                host,
                "sshd",
                &format!("Failed password for root from {from} port 5{attempt}022 ssh2"),
            );
        }
    }
    let folded = format!(
        "message repeated 2 times: [ Failed password for root from {from} port 55022 ssh2]"
    );
    lines.says(start + TimeDelta::seconds(125), host, "sshd", &folded);
}

/// Guesses too slow for a brute force, of which the last one is right.
fn login_after_failures(end: DateTime<Utc>, lines: &mut Lines) {
    let (start, host) = (last(end, 15, 0), Host(1));
    for attempt in 0..5 {
        let time = start + TimeDelta::minutes(attempt * 3);
        lines.says(time, host, "sshd", "Failed password for emil from 192.0.2.201 port 50122 ssh2");
    }
    let time = start + TimeDelta::minutes(16);
    lines.says(time, host, "sshd", "Accepted password for emil from 192.0.2.201 port 50122 ssh2");
}

/// Somebody logs in at night.
fn off_hours(end: DateTime<Utc>, lines: &mut Lines) {
    let message = "Accepted password for gwen from 192.0.2.26 port 50300 ssh2";
    lines.says(last(end, 3, 10), Host(3), "sshd", message);
}

/// One address tries port after port.
fn port_scan(end: DateTime<Utc>, lines: &mut Lines) {
    let start = last(end, 16, 0);
    for number in 0..25 {
        let time = start + TimeDelta::seconds(number);
        firewall(time, Host(0), "203.0.113.99", 20 + usize::try_from(number).unwrap_or(0), lines);
    }
}

/// Somebody who comes in the morning, from one desk, for twenty days comes in the evening from another one.
fn profile(end: DateTime<Utc>, lines: &mut Lines) {
    let (morning, evening) = (last(end, 9, 0), last(end, 21, 40));
    for day in 1..=20 {
        let time = morning - TimeDelta::days(day) + TimeDelta::minutes(day * 7 % 50);
        let message = "Accepted password for irma from 192.0.2.28 port 50300 ssh2";
        lines.says(time, Host(2), "sshd", message);
    }
    let message = "Accepted password for irma from 192.0.2.90 port 50300 ssh2";
    lines.says(evening, Host(2), "sshd", message);
}

/// Somebody asks sudo for what is not his.
fn unauthorized_access(end: DateTime<Utc>, lines: &mut Lines) {
    let message = "mallory : user NOT in sudoers ; TTY=pts/1 ; PWD=/home/mallory ; USER=root ; COMMAND=/bin/cat /etc/shadow";
    lines.says(last(end, 17, 0), Host(0), "sudo", message);
}

/// A machine works at its limit for a quarter of an hour, and recovers.
fn above(end: DateTime<Utc>, lines: &mut Lines, host: &str, values: [f64; 3]) {
    let start = last(end, 12, 0);
    for minute in 0..15 {
        lines.metrics(start + TimeDelta::minutes(minute), host, values);
    }
    lines.metrics(start + TimeDelta::minutes(15), host, [20.0, 40.0, 40.0]);
}
