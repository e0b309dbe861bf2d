//! Whatever comes in, no parser panics or loses the line.

use std::sync::LazyLock;

use chrono::DateTime;
use proptest::prelude::*;
use secmon_core::parse::{Context, LineFormat, parse};
use secmon_core::{Ruleset, fields};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

/// Lines as programs write them, to be mutated.
const LINES: [&str; 16] = [
    "Nov 19 03:10:00 web-1 sshd[42]: Failed password for invalid user a b from 203.0.113.7 port 51234 ssh2",
    "Nov 19 03:10:00 web-1 sshd[42]: message repeated 5 times: [ Failed password for root from 2001:db8::1 port 5 ssh2]",
    "Nov 19 03:10:00 web-1 sshd[42]: Disconnecting invalid user x 203.0.113.7 port 5: Change of username [preauth]",
    "Nov 19 03:10:00 web-1 sudo: bob : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls",
    "Nov 19 03:10:00 web-1 su[42]: FAILED SU (to root) bob on pts/1",
    "Nov 19 03:10:00 web-1 su[42]: + pts/0 bob:root",
    "Nov 19 03:10:00 web-1 sshd[42]: pam_unix(sshd:auth): authentication failure; ruser= rhost=203.0.113.7  user=root",
    "Nov 19 03:10:00 web-1 useradd[42]: new user: name=bob, UID=1001, GID=1002, home=/home/bob, shell=/bin/sh",
    "Nov 19 03:10:00 web-1 kernel: [12.5] [UFW BLOCK] IN=eth0 OUT= MAC=00:00:5e:00:53:01:00:00:5e:00:53:02:08:00 SRC=203.0.113.7 DST=192.0.2.1 LEN=44 PROTO=TCP SPT=4 DPT=23 SYN",
    "Nov 19 03:10:00 fw-1 filterlog: 5,,,1000,em0,match,block,in,4,0x0,,64,0,0,DF,6,tcp,60,203.0.113.7,192.0.2.1,4000,22,0,S,1,,2,,mss",
    r#"www.example:443 203.0.113.7 - bob [10/Oct/2025:13:55:36 -0700] "GET /a?x=1 HTTP/1.1" 200 23 "http://x/" "A \"b\"" extra"#,
    r#"[01/Oct/2025:13:55:36 +0000] - 404 404 - GET http www.example "/x" [Client 203.0.113.7] [Length 1] "A" "-""#,
    "[Sun Dec 04 04:47:44.5 2005] [core:error] [pid 7:tid 8] [client [2001:db8::1]:5] AH1: x, referer: y",
    r#"2025/10/25 14:49:34 [error] 54#0: *1 open() "/a" failed, client: 203.0.113.7, server: x, request: "GET /a HTTP/1.1", host: "h""#,
    "<38>1 2026-11-20T03:00:00.123+01:00 web-1 sshd 42 - [a@1 k=\"v\"] Invalid user  from 203.0.113.7 port 5",
    r#"{"timestamp":"2026-11-20T03:00:00Z","program":"sshd","pid":42,"message":"Invalid user x from 203.0.113.7"}"#,
];

fn keeps_the_line(line: &str) -> Result<(), TestCaseError> {
    let cx = Context::new(DateTime::UNIX_EPOCH);
    let formats = LineFormat::names().map(|name| LineFormat::named(name).unwrap());
    for format in formats.chain([LineFormat::Detect]) {
        match parse(line, format, &cx) {
            Ok(event) if event.raw().is_some() => {
                prop_assert_eq!(event.raw(), Some(line.trim_end_matches(['\r', '\n', '\0'])));
                prop_assert!(event.find("message").is_some());
            }
            // JSON keeps no raw line; what is none says why.
            Ok(_) => {
                let is_object = line.contains('{');
                prop_assert!(is_object);
            }
            Err(error) => prop_assert!(!error.is_empty()),
        }
    }
    Ok(())
}

/// The same for bytes, the way that lines of files and requests take.
fn keeps_the_bytes(bytes: &[u8]) -> Result<(), TestCaseError> {
    let prepared =
        RULES.prepare_bytes(bytes, LineFormat::Detect, &Context::new(DateTime::UNIX_EPOCH));
    let event = &prepared.event;
    if prepared.error().is_some() {
        let hash = secmon_core::hex(&Sha256::digest(bytes));
        prop_assert_eq!(event.message(), bytes.escape_ascii().to_string());
        prop_assert_eq!(event.text(fields::EVENT_HASH), Some(hash.as_str()));
        return Ok(());
    }
    let text = std::str::from_utf8(bytes).unwrap();
    if let Some(raw) = event.raw() {
        prop_assert_eq!(raw, text.trim_end_matches(['\r', '\n', '\0']));
        return Ok(());
    }
    // Each text and number of an object stands somewhere in the event.
    let object: serde_json::Map<String, Json> = serde_json::from_str(text).unwrap();
    let said = event.to_json();
    for word in object.values().filter_map(Json::as_str).filter(|text| text.starts_with("word")) {
        prop_assert!(said.contains(word), "{word} of {text} is not in {said}");
    }
    Ok(())
}

static RULES: LazyLock<Ruleset> = LazyLock::new(Ruleset::builtin);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_kept(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        keeps_the_line(&String::from_utf8_lossy(&bytes))?;
        keeps_the_bytes(&bytes)?;
    }

    #[test]
    fn lines_with_other_bytes_in_them_are_kept(
        at in 0..LINES.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = LINES[at].as_bytes().to_vec();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        keeps_the_bytes(&bytes)?;
    }

    #[test]
    fn nothing_of_an_object_is_lost(
        object in proptest::collection::btree_map("[a-z._@]{1,12}|host|user|ip|message|status|event\\.action", "word[a-z0-9]{4}", 0..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut text = serde_json::to_string(&object).unwrap();
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len() + 1));
        }
        keeps_the_bytes(text.as_bytes())?;
    }

    #[test]
    fn mutated_lines_are_kept(
        at in 0..LINES.len(),
        other in 0..LINES.len(),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), ".{0,4}"), 0..4),
        (from, to) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        splice in any::<bool>(),
    ) {
        let mut characters: Vec<char> = LINES[at].chars().collect();
        for (index, text) in cuts {
            let at = index.index(characters.len() + 1);
            let end = (at + text.len()).min(characters.len());
            characters.splice(at..end, text.chars());
        }
        if splice {
            let tail: Vec<char> = LINES[other].chars().collect();
            characters.truncate(from.index(characters.len() + 1));
            characters.extend(&tail[to.index(tail.len())..]);
        }
        keeps_the_line(&characters.into_iter().collect::<String>())?;
    }
}

#[test]
fn every_prefix_of_a_line_is_kept() {
    for line in LINES {
        for (at, _) in line.char_indices() {
            keeps_the_line(&line[..at]).unwrap();
            keeps_the_line(&line[at..]).unwrap();
        }
    }
}

/// Messages with very many of the words that parsers look for are read in linear time.
#[test]
fn hostile_repetitions_are_read_quickly() {
    for words in [
        " from ",
        " from 1 port ",
        " port 1",
        "rhost=a ",
        " [client ",
        "[1/A",
        "IN= OUT= SRC=",
        " ; ",
        ": ",
    ] {
        let body = words.repeat(60_000 / words.len());
        for head in [
            "sshd[1]: Failed password for ",
            "sshd[1]: Disconnected from user ",
            "su: ",
            "sudo: a : ",
            "x: pam_unix(x:auth): authentication failure; ",
            "kernel: ",
            "httpd: ",
        ] {
            keeps_the_line(&format!("Nov 19 03:10:00 web-1 {head}{body}")).unwrap();
        }
        keeps_the_line(&body).unwrap();
    }
}
