//! Promise: parsing costs about a microsecond or two a line, whatever the format. Limit: `memchr` for
//! the line ends of the same bytes.

mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use secmon_core::parse::{Context, LineFormat, parse};

const LINES: [(&str, &str); 9] = [
    (
        "sshd",
        "Nov 20 10:55:46 LabSZ sshd[24200]: Failed password for invalid user webmaster from 173.234.31.186 port 38926 ssh2",
    ),
    (
        "pam",
        "Nov 20 10:55:46 LabSZ sshd[24200]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=173.234.31.186  user=root",
    ),
    (
        "sudo",
        "Nov 20 10:55:46 web-1 sudo:    alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/apt update",
    ),
    (
        "rfc5424",
        "<38>1 2026-11-20T10:55:46.123Z web-1 sshd 24200 - - Accepted publickey for alice from 203.0.113.7 port 51234 ssh2",
    ),
    ("plain", "Nov 20 10:55:46 web-1 backup[42]: finished in 12 s, 1024 files"),
    (
        "firewall",
        "Nov 20 10:55:46 gw kernel: [UFW BLOCK] IN=eth0 OUT= MAC=00:11:22:33:44:55:66:77:88:99:aa:bb:08:00 SRC=203.0.113.7 DST=198.51.100.1 LEN=40 TOS=0x00 PREC=0x00 TTL=245 ID=54321 PROTO=TCP SPT=40000 DPT=22 WINDOW=1024 RES=0x00 SYN URGP=0",
    ),
    (
        "combined",
        r#"203.0.113.7 - bob [20/Nov/2026:10:55:46 +0000] "GET /login?next=/ HTTP/1.1" 401 512 "https://example.org/" "Mozilla/5.0 (X11; Linux x86_64)""#,
    ),
    (
        "apache_error",
        "[Fri Nov 20 10:55:46.123456 2026] [authz_core:error] [pid 42:tid 140] [client 203.0.113.7:51234] AH01630: client denied by server configuration: /var/www/secret",
    ),
    (
        "json",
        r#"{"@timestamp":"2026-11-20T10:55:46Z","event.action":"login","event.outcome":"failure","user":{"name":"bob"},"source":{"ip":"203.0.113.7","port":51234},"message":"login failed"}"#,
    ),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let cx = Context::new(support::reference());
    let repeat = if support::is_test() { 10 } else { 1_000 };
    let mut summary = Vec::new();
    let mut group = criterion.benchmark_group("parse");
    for (name, line) in LINES {
        let text = format!("{line}\n").repeat(repeat);
        group.throughput(Throughput::Elements(repeat as u64));
        let work = || {
            for line in text.lines() {
                black_box(parse(line, LineFormat::Detect, &cx).expect("a line that parses"));
            }
        };
        group.bench_function(name, |bencher| bencher.iter(work));
        let limit = || {
            black_box(memchr::memchr_iter(b'\n', text.as_bytes()).count());
        };
        group.bench_function(format!("{name}/memchr"), |bencher| bencher.iter(limit));
        summary.push((name, support::fastest(20, work), support::fastest(20, limit)));
    }
    group.finish();
    criterion.final_summary();
    for (name, parse, memchr) in summary {
        let lines = repeat as f64 / parse.as_secs_f64();
        let ratio = parse.as_secs_f64() / memchr.as_secs_f64();
        println!("parse {name}: {lines:.0} lines/s, {ratio:.0} x the time of memchr");
    }
}
