//! A day of normal work. It holds mistakes, as days do, but fewer than any rule minds.

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};

use super::Options;
use super::random::Random;
use super::wire::{Host, Lines};

const USERS: [&str; 8] = ["alice", "bob", "chloe", "dara", "emil", "fatou", "gwen", "hugo"];
const DAY: usize = 24 * 3_600;

/// Writes as many lines as are asked for.
pub(super) fn write(options: &Options, random: &mut Random, lines: &mut Lines) {
    let mut mistakes = 0;
    for number in 0..options.events {
        let host = Host(random.below(options.hosts.max(1)));
        let ago = TimeDelta::seconds(i64::try_from(random.below(DAY)).unwrap_or(0));
        let time = options.end - ago;
        match number % 20 {
            0..6 => web(time, random, lines),
            6..9 => login(by_day(time, options.end), host, random, lines),
            9..11 => sudo(time, host, random, lines),
            11 => cron(time, host, lines),
            12..15 => metrics(time, host, random, lines),
            15..17 => blocked(time, host, random, lines),
            17 => application(by_day(time, options.end), random, lines),
            18 if mistake(options.end, mistakes, host, lines) => mistakes += 1,
            _ => lines.says(time, host, "systemd", "Started Daily package clean-up."),
        }
    }
}

/// The address at which a user sits.
fn desk(user: usize) -> String {
    format!("192.0.2.{}", 20 + user)
}

fn user(random: &mut Random) -> (usize, &'static str) {
    let at = random.below(USERS.len());
    (at, USERS.get(at).copied().unwrap_or_default())
}

/// The same moment, moved back into working hours.
fn by_day(time: DateTime<Utc>, end: DateTime<Utc>) -> DateTime<Utc> {
    let hour = time.hour();
    if (7..20).contains(&hour) {
        return time;
    }
    let wanted = 8 + hour % 11;
    let moved = time - TimeDelta::hours(i64::from((hour + 24 - wanted) % 24));
    if moved < end - TimeDelta::hours(24) { moved + TimeDelta::hours(24) } else { moved }
}

fn login(time: DateTime<Utc>, host: Host, random: &mut Random, lines: &mut Lines) {
    let (at, user) = user(random);
    let message = format!(
        "Accepted publickey for {user} from {} port {} ssh2: ED25519 SHA256:{}",
        desk(at),
        40_000 + random.below(20_000),
        "k3J9".repeat(10),
    );
    lines.says(time, host, "sshd", &message);
}

/// A mistyped password: each user at most once in an hour, so that no rule minds.
fn mistake(end: DateTime<Utc>, number: usize, host: Host, lines: &mut Lines) -> bool {
    let (at, hour) = (number % USERS.len(), number / USERS.len());
    let Some(user) = USERS.get(at).filter(|_| hour < 23) else { return false };
    let time = end - TimeDelta::minutes(i64::try_from(hour * 60 + 7 * at + 3).unwrap_or(0));
    let message = format!("Failed password for {user} from {} port 51{at}00 ssh2", desk(at));
    lines.says(time, host, "sshd", &message);
    true
}

fn sudo(time: DateTime<Utc>, host: Host, random: &mut Random, lines: &mut Lines) {
    let (_, user) = user(random);
    let command = random.pick(&[
        "/usr/bin/systemctl restart nginx",
        "/usr/bin/apt-get update",
        "/bin/journalctl -e",
    ]);
    let message = format!("{user} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND={command}");
    lines.says(time, host, "sudo", &message);
}

fn cron(time: DateTime<Utc>, host: Host, lines: &mut Lines) {
    let message = "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)";
    lines.says(time, host, "CRON", message);
}

fn web(time: DateTime<Utc>, random: &mut Random, lines: &mut Lines) {
    let visitor = match random.below(3) {
        0 => format!("198.51.100.{}", 1 + random.below(250)),
        1 => format!("203.0.113.{}", 1 + random.below(250)),
        _ => format!("2001:db8::{:x}", 1 + random.below(60_000)),
    };
    let path = random.pick(&[
        "/",
        "/index.html",
        "/style.css",
        "/about",
        "/api/items?page=2",
        "/img/logo.svg",
    ]);
    let status = random.pick(&["200", "200", "200", "304", "404"]);
    let line = format!(
        "{visitor} - - [{}] \"GET {path} HTTP/1.1\" {status} {} \"-\" \"Mozilla/5.0\"",
        time.format("%d/%b/%Y:%H:%M:%S +0000"),
        200 + random.below(9_000),
    );
    lines.raw(time, line);
}

fn metrics(time: DateTime<Utc>, host: Host, random: &mut Random, lines: &mut Lines) {
    #[expect(clippy::cast_precision_loss, reason = "below 10,000")]
    let percent =
        |random: &mut Random, from: f64, range: usize| from + random.below(range) as f64 / 100.0;
    let values =
        [percent(random, 3.0, 6_000), percent(random, 30.0, 2_000), percent(random, 40.0, 500)];
    lines.metrics(time, &host.name(), values);
}

/// What the Internet sends at every border: each address tries one port.
fn blocked(time: DateTime<Utc>, host: Host, random: &mut Random, lines: &mut Lines) {
    let last = random.below(254);
    let port = [22, 23, 80, 443, 445, 3_389, 5_900, 8_080].get(last % 8).copied().unwrap_or(22);
    firewall(time, host, &format!("198.51.100.{}", last + 1), port, lines);
}

/// A packet that a firewall blocked.
pub(super) fn firewall(
    time: DateTime<Utc>,
    host: Host,
    source: &str,
    port: usize,
    lines: &mut Lines,
) {
    let message = format!(
        "[UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:12:34:56:52:54:00:65:43:21:08:00 SRC={source} DST=192.0.2.10 \
         LEN=40 TOS=0x00 PREC=0x00 TTL=244 ID=54321 PROTO=TCP SPT=40213 DPT={port} WINDOW=1024 RES=0x00 SYN URGP=0"
    );
    lines.says(time, host, "kernel", &message);
}

fn application(time: DateTime<Utc>, random: &mut Random, lines: &mut Lines) {
    let (at, user) = user(random);
    lines.login(time, &desk(at), user, "success");
}
