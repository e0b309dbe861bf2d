//! Lines in, incidents out: no store, no service.

use secmon_core::{Counters, Ruleset};

fn main() -> anyhow::Result<()> {
    let ruleset = Ruleset::builtin();
    let mut counters = Counters::new(&ruleset);
    let now = "2026-11-20T12:00:00Z".parse()?;
    let line =
        "Nov 20 11:59:00 web-1 sshd[42]: Failed password for root from 203.0.113.7 port 51234 ssh2";
    for (seq, prepared) in (0..).zip(ruleset.prepare_lines([line; 5], now)) {
        println!("{}", prepared.event.to_json());
        counters.event("auth.log", seq, &prepared);
    }
    for incident in counters.incidents() {
        println!("{}: {} ({} times)", incident.title, incident.group, incident.count);
    }
    Ok(())
}
