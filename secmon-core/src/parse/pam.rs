//! Messages of PAM modules, in whatever program they speak.

use std::borrow::Cow;

use memchr::memchr_iter;

use super::peer::{is_host, set_source};
use super::{Program, bare_name};
use crate::event::{Event, Sources, fields};

pub(super) const PROGRAM: Program = Program { name: "pam", claims, read, sources: SOURCES };

const SOURCES: Sources = Sources::fixed(&[Cow::Borrowed("linux")], &[], &[Cow::Borrowed("auth")]);

/// Messages of `pam_unix` that stand alone when the process name says `(pam_unix)`.
const BARE: [&str; 5] = [
    "authentication failure; ",
    "authentication failure:",
    "check pass; user unknown",
    "session opened for user ",
    "session closed for user ",
];

fn claims(process: &str) -> bool {
    process.contains("(pam_") || process.starts_with("pam_")
}

/// Whether a message is one of PAM.
pub(super) fn is_pam(message: &str) -> bool {
    match message.as_bytes().first() {
        Some(b'p' | b'(' | b'P' | b'a' | b'c' | b's' | b'd') => {}
        Some(byte) if byte.is_ascii_digit() => {
            return more(message).is_some();
        }
        _ => return false,
    }
    without_module(message).is_some()
        || message.starts_with("PAM ")
        || BARE.iter().any(|head| message.starts_with(head))
        || nested(message).is_some()
}

/// Dovecot and others put their own name before: `auth: pam_unix(dovecot:auth): ...`.
fn nested(message: &str) -> Option<&str> {
    let (word, rest) = message.split_once(": ")?;
    (is_host(word) && without_module(rest).is_some()).then_some(rest)
}

/// The text behind `pam_unix(sshd:auth): `, `pam_unix: `, `(pam_unix) ` or `pam_unix[7]: `.
fn without_module(message: &str) -> Option<&str> {
    if let Some(rest) = message.strip_prefix("(pam_") {
        return rest.split_once(") ").map(|(_, text)| text.trim_start());
    }
    let rest = message.strip_prefix("pam_")?;
    let end = rest.bytes().position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_')?;
    let rest = rest.get(end..)?;
    let rest = match rest.as_bytes().first()? {
        b'(' => rest.split_once(')')?.1,
        b'[' => rest.split_once(']')?.1,
        _ => rest,
    };
    rest.strip_prefix(':').map(str::trim_start)
}

/// `N more authentication failures; ...`: the number, and what stands behind.
fn more(text: &str) -> Option<(i64, &str)> {
    if !text.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let (number, rest) = text.split_once(" more authentication failure")?;
    Some((number.parse().ok()?, rest.strip_prefix('s').unwrap_or(rest)))
}

fn read(message: &str, event: &mut Event) {
    let text = without_module(message)
        .or_else(|| message.strip_prefix("PAM "))
        .or_else(|| without_module(nested(message)?))
        .unwrap_or(message);
    if let Some(rest) = text.strip_prefix("session opened for user ") {
        return opened(rest, event);
    }
    if let Some(rest) = text.strip_prefix("session closed for user ") {
        set_user(rest.trim_end(), event);
        return set(event, "session_closed", "session", "end", "success");
    }
    if let Some(name) = text.strip_prefix("password changed for ") {
        set_user(name.trim_end(), event);
        return set(event, "password_changed", "iam", "change", "success");
    }
    if let Some((count, _)) = more(text) {
        event.set(fields::SECMON_REPEAT, i64::from(event.repeats()).saturating_mul(count.max(1)));
    }
    let Some(outcome) = outcome(message, text) else { return };
    set(event, "pam_authentication", "authentication", "info", outcome);
    if !pairs(text, event)
        && !text.starts_with("check pass")
        && let Some(name) = named_user(text)
    {
        event.set(fields::USER_NAME, name);
    }
}

fn set(
    event: &mut Event,
    action: &'static str,
    category: &'static str,
    kind: &'static str,
    outcome: &'static str,
) {
    event.set(fields::EVENT_ACTION, action);
    event.set(fields::EVENT_CATEGORY, [category]);
    event.set(fields::EVENT_TYPE, [kind]);
    event.set(fields::EVENT_OUTCOME, outcome);
}

/// What modules say when they refuse and when they let in; other messages are neither.
fn outcome(message: &str, text: &str) -> Option<&'static str> {
    const REFUSED: [&str; 29] = [
        "authentication failure",
        "Authentication failure",
        "authentication failures",
        "check pass; user unknown",
        "auth could not identify password",
        "conversation failed",
        "bad username",
        "not met by user",
        "access denied",
        "Access denied",
        "denied access",
        "Denied access",
        "login failures",
        "Authentication <failed>",
        "Authentication failed",
        "authentication failed",
        "Refused user",
        "User unknown",
        "user unknown",
        "unknown user",
        "Unknown user",
        "Invalid credentials",
        "Invalid verification code",
        "has expired",
        "account locked",
        "temporary locked",
        "wbcLogonUser failed",
        "failed to authenticate",
        "temporarily locked",
    ];
    const ALLOWED: [&str; 6] = [
        "authentication success",
        "authentication succeeded",
        "Authentication <succeeded>",
        "granted access",
        "Accepted google_authenticator",
        "access granted",
    ];
    if text.starts_with("authentication failure") || text.starts_with("check pass") {
        return Some("failure");
    }
    let tallied = message.starts_with("pam_tally") && text.contains(", deny ");
    if tallied || REFUSED.iter().any(|words| text.contains(words)) {
        return Some("failure");
    }
    ALLOWED.iter().any(|words| text.contains(words)).then_some("success")
}

/// `X(uid=0) by Y(uid=0)`. Where somebody takes another's identity, the user is who does it.
fn opened(rest: &str, event: &mut Event) {
    set(event, "session_opened", "session", "start", "success");
    let (target, by) = rest.rsplit_once(" by ").unwrap_or((rest, ""));
    let (by, _) = with_uid(by.trim());
    let process = bare_name(event.text(fields::PROCESS_NAME).unwrap_or_default());
    let switches =
        matches!(process, "su" | "sudo" | "sudo-i" | "su-l" | "runuser" | "pkexec" | "doas");
    if switches && !by.is_empty() {
        let uid = rest.rsplit_once(" by ").and_then(|(_, by)| with_uid(by.trim()).1);
        let (target, _) = with_uid(target.trim());
        let (target, by) = (target.to_owned(), by.to_owned());
        event.set(fields::USER_EFFECTIVE_NAME, target);
        event.set(fields::USER_NAME, by);
        if let Some(uid) = uid {
            event.set(fields::USER_ID, uid);
        }
    } else {
        set_user(target.trim(), event);
    }
}

/// `NAME` or `NAME(uid=N)`.
fn set_user(text: &str, event: &mut Event) {
    let (name, uid) = with_uid(text);
    event.set(fields::USER_NAME, name);
    if let Some(uid) = uid {
        event.set(fields::USER_ID, uid);
    }
}

fn with_uid(text: &str) -> (&str, Option<&str>) {
    let split = text.strip_suffix(')').and_then(|text| text.rsplit_once("(uid="));
    split.map_or((text, None), |(name, uid)| (name, Some(uid)))
}

/// `ruser=R rhost=H  user=U`: R and U can be what a client wrote, even ` rhost=A`. U comes last and
/// only for known users; so with an R the last fitting H counts, without one the first. Says
/// whether there were such pairs.
fn pairs(text: &str, event: &mut Event) -> bool {
    let mut remote = None;
    let mut found = None;
    for at in memchr_iter(b' ', text.as_bytes()) {
        let Some(rest) = text.get(at + 1..) else { break };
        if let Some(rest) = rest.strip_prefix("ruser=") {
            remote = remote.or(Some((at + 7, rest)));
        } else if let Some(rest) = rest.strip_prefix("rhost=") {
            let (host, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            let behind = behind.trim_start();
            let user = behind.strip_prefix("user=");
            if behind.is_empty() || user.is_some() {
                found = Some((at, host, user));
            }
        } else if found.is_none()
            && let Some(user) = rest.strip_prefix("user=")
        {
            found = Some((at, "", Some(user)));
        }
        if found.is_some() && remote.is_none_or(|(_, rest)| rest.starts_with([' ', '\t'])) {
            break;
        }
    }
    let Some((at, host, user)) = found else { return false };
    set_source(event, host);
    let remote = remote.and_then(|(from, _)| text.get(from..at)).map(str::trim_end);
    if let Some(name) = user.map(name_of).or(remote).filter(|name| !name.is_empty()) {
        event.set(fields::USER_NAME, name);
    }
    true
}

fn name_of(user: &str) -> &str {
    user.split(" msg=").next().unwrap_or(user).trim_end()
}

/// The user that a sentence names: `user bob`, `user [bob]`, ``user `bob'``, `user: <bob>`, `for bob`.
fn named_user(text: &str) -> Option<&str> {
    let rest = ["for user ", "by user ", "user: ", "user ", "User ", "password for ", "code for "]
        .iter()
        .find_map(|head| text.split_once(head).map(|(_, rest)| rest))
        .or_else(|| text.strip_prefix("account ").filter(|rest| rest.contains(" has expired")))?;
    let name = match rest.as_bytes().first()? {
        b'[' => rest.get(1..)?.split(']').next()?,
        b'"' => rest.get(1..)?.split('"').next()?,
        b'<' => rest.get(1..)?.split('>').next()?,
        b'`' | b'\'' => rest.get(1..)?.split('\'').next()?,
        _ => rest.split([' ', ':', ',', ';']).next()?,
    };
    (!name.is_empty() && !matches!(name, "unknown" | "not")).then_some(name)
}

#[cfg(test)]
mod tests;
