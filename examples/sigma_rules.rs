//! Sigma rules from a folder: what is wrong with them, and what they find in a log.

use anyhow::Context as _;
use secmon_core::{Counters, Ruleset};
use secmon_http::SigmaConfig;

const RULE: &str = "
title: Shell through sudo
id: 8d4f3a52-0000-4000-8000-000000000001
logsource: {product: linux, service: sudo}
detection:
  shell: {process.command_line|endswith: [/bin/sh, /bin/bash]}
  condition: shell
level: high
tags: [attack.t1548.003]
---
title: Many shells of one user
id: 8d4f3a52-0000-4000-8000-000000000002
level: critical
correlation:
  type: event_count
  rules: [8d4f3a52-0000-4000-8000-000000000001]
  group-by: [user.name]
  timespan: 10m
  condition: {gte: 3}
  generate: true
";

fn main() -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("secmon-rules-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("sudo.yml"), RULE)?;

    let config = SigmaConfig { rules: vec![folder.clone()], ..SigmaConfig::default() };
    let rules = config.load(false).map_err(anyhow::Error::msg)?;
    for problem in rules.problems() {
        println!("{problem}");
    }
    let ruleset = Ruleset::builder().sigma(&rules).build()?;

    let now = "2026-11-20T12:00:00Z".parse().context("a time")?;
    let line = |minute: u32| {
        format!(
            "Nov 20 11:{minute:02}:00 web-1 sudo: bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/bash"
        )
    };
    let mut counters = Counters::new(&ruleset);
    for (seq, prepared) in (0..).zip(ruleset.prepare_lines((50..53).map(line), now)) {
        counters.event("auth.log", seq, &prepared);
    }
    for incident in counters.incidents() {
        println!(
            "{} {}: {} times, {}",
            incident.level, incident.title, incident.count, incident.group
        );
    }
    assert_eq!(counters.incidents().len(), 2);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
