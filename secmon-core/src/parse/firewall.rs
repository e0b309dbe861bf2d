//! Packets that a firewall logs: iptables, nftables and ufw through the kernel, pf by filterlog.
//!
//! A prefix says whether a packet passed. One without such a word is taken as blocked, outcome
//! `unknown`, if it opens a connection inwards: rules that only log stand before the one that drops.

use std::borrow::Cow;

use memchr::memmem;

use super::peer::{mac, port, set_destination, set_source};
use super::{Program, bare_name};
use crate::event::{Event, Sources, fields};

pub(super) const PROGRAM: Program = Program { name: "firewall", claims, read, sources: SOURCES };

const SOURCES: Sources = Sources::fixed(&[Cow::Borrowed("linux")], &[], &[]);
const PACKETS: Sources =
    Sources::fixed(&[], &[Cow::Borrowed("firewall")], &[Cow::Borrowed("firewall")]);

/// What a firewall did with a packet.
#[derive(Clone, Copy)]
enum Verdict {
    Allowed,
    Blocked,
    /// Blocked, as far as can be told.
    Likely,
    /// Only logged.
    Logged,
}

fn claims(process: &str) -> bool {
    matches!(bare_name(process), "kernel" | "filterlog" | "ulogd")
}

fn read(message: &str, event: &mut Event) {
    if memmem::find(message.as_bytes(), b" SRC=").is_some() {
        netfilter(message, event);
    } else if message.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        filterlog(message, event);
    }
}

/// `[uptime] PREFIX IN=eth0 OUT= MAC=.. SRC=.. DST=.. .. PROTO=TCP SPT=.. DPT=.. .. SYN ..`.
fn netfilter(message: &str, event: &mut Event) -> Option<()> {
    let out = message.find("OUT=")?;
    let at = message.get(..out)?.rfind("IN=")?;
    let (prefix, body) = message.split_at_checked(at)?;
    // An ICMP error quotes the packet that it answers, in brackets.
    let body = body.split(" [").next()?;
    event.sources.extend(&PACKETS);
    let mut incoming = false;
    let mut opens = true;
    let mut flags = Vec::new();
    for token in body.split_ascii_whitespace() {
        let Some((key, value)) = token.split_once('=') else {
            opens &= !matches!(token, "ACK" | "RST" | "FIN");
            if matches!(token, "SYN" | "ACK" | "RST" | "FIN" | "PSH" | "URG" | "ECE" | "CWR") {
                flags.push(token);
            }
            continue;
        };
        if value.is_empty() {
            continue;
        }
        match key {
            "IN" => {
                incoming = true;
                event.set(fields::OBSERVER_INGRESS_INTERFACE_NAME, value);
            }
            "OUT" => event.set(fields::OBSERVER_EGRESS_INTERFACE_NAME, value),
            "SRC" => {
                set_source(event, value);
            }
            "DST" => {
                set_destination(event, value);
            }
            "SPT" => set_number(event, fields::SOURCE_PORT, value),
            "DPT" => set_number(event, fields::DESTINATION_PORT, value),
            "LEN" if event.get(fields::NETWORK_BYTES).is_none() => {
                if let Ok(bytes) = value.parse::<i64>() {
                    event.set(fields::NETWORK_BYTES, bytes);
                }
            }
            "PROTO" => set_transport(event, value),
            "MAC" => set_macs(event, value),
            _ => {}
        }
    }
    if !flags.is_empty() {
        event.set(fields::IPTABLES_TCP_FLAGS, flags);
    }
    let verdict = verdict(prefix).unwrap_or(if incoming && opens && !says(prefix, "AUDIT") {
        Verdict::Likely
    } else {
        Verdict::Logged
    });
    set_verdict(event, verdict);
    let prefix = prefix.trim_start();
    let name = prefix.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(
        prefix,
        |(stamp, rest)| {
            let is_stamp = stamp.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            if is_stamp { rest } else { prefix }
        },
    );
    let name = name.trim().trim_end_matches(':');
    if !name.is_empty() {
        event.set(fields::RULE_NAME, name);
    }
    Some(())
}

/// The words of prefixes, as common front ends of netfilter set them.
fn verdict(prefix: &str) -> Option<Verdict> {
    let mut found = None;
    for word in prefix.split(|letter: char| !letter.is_ascii_alphabetic()) {
        match word.to_ascii_uppercase().as_str() {
            "BLOCK" | "BLOCKED" | "DROP" | "DROPPED" | "DROPPING" | "REJECT" | "REJECTED"
            | "DENY" | "DENIED" | "INVALID" | "BAD" | "ILLEGAL" | "DISCARD" | "BAN" | "BANNED" => {
                return Some(Verdict::Blocked);
            }
            "ALLOW" | "ALLOWED" | "ACCEPT" | "ACCEPTED" | "ACC" | "PASS" | "PASSED" | "PERMIT"
            | "PERMITTED" => {
                found = Some(Verdict::Allowed);
            }
            _ => {}
        }
    }
    found
}

fn says(prefix: &str, word: &str) -> bool {
    prefix
        .split(|letter: char| !letter.is_ascii_alphabetic())
        .any(|one| one.eq_ignore_ascii_case(word))
}

fn set_verdict(event: &mut Event, verdict: Verdict) {
    let (action, kind, outcome) = match verdict {
        Verdict::Allowed => ("connection_allowed", "allowed", "success"),
        Verdict::Blocked => ("connection_blocked", "denied", "failure"),
        Verdict::Likely => ("connection_blocked", "denied", "unknown"),
        Verdict::Logged => ("connection_logged", "info", "unknown"),
    };
    event.set(fields::EVENT_ACTION, action);
    event.set(fields::EVENT_CATEGORY, ["network"]);
    event.set(fields::EVENT_TYPE, ["connection", kind]);
    event.set(fields::EVENT_OUTCOME, outcome);
}

fn set_number(event: &mut Event, field: crate::event::Field, text: &str) {
    if let Some(port) = port(text) {
        event.set(field, port);
    }
}

/// Names of protocols; the kernel gives those that it does not know as numbers (IANA).
fn set_transport(event: &mut Event, name: &str) {
    let name = match name {
        "1" => "icmp".into(),
        "2" => "igmp".into(),
        "6" => "tcp".into(),
        "17" => "udp".into(),
        "47" => "gre".into(),
        "50" => "esp".into(),
        "58" => "icmpv6".into(),
        other => other.to_ascii_lowercase(),
    };
    event.set(fields::NETWORK_TRANSPORT, name);
}

/// Destination (6 octets), source (6), type (2), as the kernel prints an Ethernet header.
fn set_macs(event: &mut Event, octets: &str) {
    if octets.len() >= 35 {
        if let Some(destination) = octets.get(..17) {
            event.set(fields::DESTINATION_MAC, mac(destination));
        }
        if let Some(source) = octets.get(18..35) {
            event.set(fields::SOURCE_MAC, mac(source));
        }
    } else if octets.len() == 17 {
        event.set(fields::SOURCE_MAC, mac(octets));
    }
}

/// pf's comma separated form: `rule,sub,anchor,tracker,interface,reason,action,direction,version,..`.
fn filterlog(message: &str, event: &mut Event) -> Option<()> {
    let parts: Vec<&str> = message.splitn(26, ',').map(str::trim).collect();
    let part = |at: usize| parts.get(at).copied();
    let (transport, source) = match part(8)? {
        "4" => (16, 18),
        "6" => (12, 15),
        _ => return None,
    };
    let verdict = match part(6)? {
        "pass" => Verdict::Allowed,
        "block" | "reject" => Verdict::Blocked,
        _ => Verdict::Logged,
    };
    if !(set_source(event, part(source)?) && set_destination(event, part(source + 1)?)) {
        return None;
    }
    event.sources.extend(&PACKETS);
    set_verdict(event, verdict);
    set_transport(event, part(transport)?);
    let interface = match part(7)? {
        "out" => fields::OBSERVER_EGRESS_INTERFACE_NAME,
        _ => fields::OBSERVER_INGRESS_INTERFACE_NAME,
    };
    event.set(interface, part(4)?);
    event.set(fields::RULE_NAME, part(3).filter(|name| !name.is_empty()).or(part(0))?);
    if matches!(part(transport)?, "tcp" | "udp") {
        set_number(event, fields::SOURCE_PORT, part(source + 2)?);
        set_number(event, fields::DESTINATION_PORT, part(source + 3)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::Value;

    fn parsed(message: &str) -> Event {
        let mut event = Event::new(DateTime::UNIX_EPOCH);
        read(message, &mut event);
        event
    }

    const BODY: &str = "IN=eth0 OUT= MAC=00:00:5e:00:53:01:00:00:5e:00:53:02:08:00 SRC=203.0.113.7 DST=192.0.2.1 LEN=44 TTL=31 PROTO=TCP SPT=40952 DPT=23 WINDOW=1 RES=0x00 SYN URGP=0";

    #[test]
    fn prefixes_say_what_became_of_a_packet() {
        for (prefix, action, outcome) in [
            ("[12.3] [UFW BLOCK] ", "connection_blocked", "failure"),
            ("[UFW ALLOW] ", "connection_allowed", "success"),
            ("[UFW AUDIT] ", "connection_logged", "unknown"),
            ("DROP(src wan)", "connection_blocked", "failure"),
            ("SFW2-INext-ACC-TCP ", "connection_allowed", "success"),
            ("SFW2-INext-DROP-DEFLT ", "connection_blocked", "failure"),
            ("Shorewall:net2fw:REJECT:", "connection_blocked", "failure"),
            ("iptables denied: ", "connection_blocked", "failure"),
            ("FINAL_REJECT: ", "connection_blocked", "failure"),
            ("[ 12.3] ", "connection_blocked", "unknown"),
        ] {
            let event = parsed(&format!("{prefix}{BODY}"));
            assert_eq!(event.action(), Some(action), "{prefix}");
            assert_eq!(event.outcome(), Some(outcome), "{prefix}");
        }
    }

    #[test]
    fn a_packet_is_read() {
        let event = parsed(&format!("[12.3] [UFW BLOCK] {BODY}"));
        assert_eq!(event.source_ip(), Some("203.0.113.7".parse().unwrap()));
        assert_eq!(event.get(fields::DESTINATION_PORT), Some(&Value::Int(23)));
        assert_eq!(event.text(fields::NETWORK_TRANSPORT), Some("tcp"));
        assert_eq!(event.text(fields::SOURCE_MAC), Some("00-00-5E-00-53-02"));
        assert_eq!(event.text(fields::OBSERVER_INGRESS_INTERFACE_NAME), Some("eth0"));
        assert_eq!(event.text(fields::RULE_NAME), Some("[UFW BLOCK]"));
        let icmp = parsed(
            "DROP IN=eth0 OUT= SRC=2001:db8::1 DST=2001:db8::2 PROTO=ICMPv6 TYPE=3 [SRC=192.0.2.1 DST=192.0.2.2 PROTO=UDP SPT=1 DPT=2 ]",
        );
        assert_eq!(icmp.source_ip(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(icmp.get(fields::SOURCE_PORT), None);
        let answer =
            parsed("IN=eth0 OUT= SRC=203.0.113.7 DST=192.0.2.1 PROTO=TCP SPT=443 DPT=4 ACK SYN");
        assert_eq!(answer.action(), Some("connection_logged"));
    }

    #[test]
    fn pf_is_read_and_other_messages_left_alone() {
        let event = parsed(
            "5,,,1000,em0,match,block,in,4,0x0,,64,0,0,DF,6,tcp,60,203.0.113.7,192.0.2.1,4000,22,0,S,1,,2,,mss",
        );
        assert_eq!(event.action(), Some("connection_blocked"));
        assert_eq!(event.get(fields::DESTINATION_PORT), Some(&Value::Int(22)));
        let event = parsed(
            "5,,,x,em0,match,pass,in,6,0x00,0x1,51,udp,17,73,2001:db8::1,2001:db8::2,4000,53,73",
        );
        assert_eq!(event.action(), Some("connection_allowed"));
        assert_eq!(event.get(fields::SOURCE_PORT), Some(&Value::Int(4000)));
        for message in ["usb 1-1: new device", "", "0MB HIGHMEM", "4,", " SRC=", "OUT=IN= SRC="] {
            assert_eq!(parsed(message).action(), None, "{message}");
        }
    }
}
