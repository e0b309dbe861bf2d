//! Messages of OpenSSH's server.
//!
//! Only `Accepted`, `Failed` and `Invalid user` are `ssh_login`: rules count these. All else that
//! sshd says of a connection is `ssh_connection`, with an outcome where it means a refusal.

mod connection;

use std::borrow::Cow;

use memchr::memrchr_iter;

use super::peer::{port, set_source};
use super::{Program, bare_name, cut};
use crate::event::{Event, Sources, fields};

pub(super) const PROGRAM: Program = Program { name: "sshd", claims, read, sources: SOURCES };

const SOURCES: Sources =
    Sources::fixed(&[Cow::Borrowed("linux")], &[], &[Cow::Borrowed("sshd"), Cow::Borrowed("auth")]);

fn claims(process: &str) -> bool {
    matches!(bare_name(process), "sshd" | "sshd-session" | "sshd-auth")
}

fn read(message: &str, event: &mut Event) {
    let text = without_prefix(message);
    let (text, preauth) = match text.strip_suffix("[preauth]") {
        Some(text) => (text.trim_end(), true),
        None => (text, false),
    };
    let (word, rest) = cut(text, b' ').unwrap_or((text, ""));
    let is_login = match word {
        "Accepted" => login("Accepted", "success", rest, event),
        "Failed" => login("Failed", "failure", rest, event),
        "Invalid" | "Illegal" => invalid(rest, event),
        _ => false,
    };
    if !is_login {
        connection::read(text, preauth, event);
    }
}

/// Without what stands before the message proper: `error: `, `fatal: `, `debug1: `, and the
/// `kernel:[  970.699396]: ` of lines that took the way through the kernel's log.
fn without_prefix(message: &str) -> &str {
    let mut text = message;
    while text.as_bytes().first().is_some_and(u8::is_ascii_lowercase) {
        let Some((word, rest)) = cut(text, b':') else { break };
        match word {
            "error" | "fatal" | "info" | "debug" | "debug1" | "debug2" | "debug3" => {
                text = rest.trim_start();
            }
            "kernel" => {
                let Some((_, rest)) = rest.split_once(']') else { break };
                text = rest.trim_start_matches([':', ' ']);
            }
            _ => break,
        }
    }
    text
}

/// `METHOD for [invalid user ]USER from ADDRESS port N[ ssh2][: SIGNATURE]`.
fn login(kind: &'static str, outcome: &'static str, rest: &str, event: &mut Event) -> bool {
    let Some((method, rest)) = cut(rest, b' ') else { return false };
    let Some(rest) = rest.strip_prefix("for ") else { return false };
    let Some((user, peer)) = who(method, rest) else { return false };
    set_login(kind, outcome, user, event);
    event.set(fields::SSH_METHOD, method);
    let behind = set_peer(peer, event);
    if let Some((_, signature)) = behind.split_once(": ") {
        event.set(fields::SSH_SIGNATURE, signature);
    }
    true
}

/// Splits `[invalid user ]USER from PEER`. The name of a user that is not there is what the client wrote, so the last
/// peer counts. Of a user that is there the name is the system's; but behind the peer stands what a client can write
/// as well, where it showed a certificate (its `ID`), a principal, or the user of its own host: the first counts.
fn who<'a>(method: &str, rest: &'a str) -> Option<(&'a str, &'a str)> {
    let invalid =
        ["invalid user ", "illegal user ", "Invalid user ", "Illegal user ", "ILLEGAL USER "]
            .iter()
            .find_map(|prefix| rest.strip_prefix(prefix));
    let says_more = ["publickey", "hostbased", "gssapi"].iter().any(|one| method.starts_with(one));
    match invalid {
        None if says_more => rest.split_once(" from "),
        // Other servers say more behind the port in other words.
        _ => {
            let text = invalid.unwrap_or(rest);
            last_from(text, |peer| {
                cut(peer, b' ').is_some_and(|(_, more)| more.starts_with("port "))
            })
            .or_else(|| from(text))
        }
    }
}

/// `user USER from ADDRESS[ port N]`, where the name can be empty.
fn invalid(rest: &str, event: &mut Event) -> bool {
    let Some(rest) = rest.strip_prefix("user") else { return false };
    let Some((user, peer)) = from(rest.strip_prefix(' ').unwrap_or(rest)) else { return false };
    set_login("Invalid", "failure", user, event);
    set_peer(peer, event);
    true
}

fn set_login(kind: &'static str, outcome: &'static str, user: &str, event: &mut Event) {
    event.set(fields::EVENT_ACTION, "ssh_login");
    event.set(fields::EVENT_CATEGORY, ["authentication"]);
    event.set(fields::EVENT_OUTCOME, outcome);
    event.set(fields::SSH_EVENT, kind);
    event.set(fields::USER_NAME, user);
}

/// Splits `WHO from PEER` at the last one, because the name that a client gives can hold such words itself.
fn from(text: &str) -> Option<(&str, &str)> {
    last_from(text, |_| true).or_else(|| Some(("", text.strip_prefix("from ")?)))
}

fn last_from(text: &str, is_peer: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
    memrchr_iter(b' ', text.as_bytes()).find_map(|at| {
        let peer = text.get(at..)?.strip_prefix(" from ").filter(|peer| is_peer(peer))?;
        Some((text.get(..at)?, peer))
    })
}

/// Sets `ADDRESS[ port N]` at the head of a text and returns what stands behind.
fn set_peer<'a>(text: &'a str, event: &mut Event) -> &'a str {
    let (address, rest) = cut(text, b' ').unwrap_or((text, ""));
    set_source(event, address.strip_suffix([':', ',']).unwrap_or(address));
    let Some(number) = rest.strip_prefix("port ") else { return rest };
    if let Some(port) = port(number) {
        event.set(fields::SOURCE_PORT, port);
    }
    number.trim_start_matches(|digit: char| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests;
