//! Messages of su, in the forms of util-linux, shadow, BSD, Solaris, AIX and IRIX.

use std::borrow::Cow;

use super::{Program, bare_name};
use crate::event::{Event, Sources, fields};

pub(super) const PROGRAM: Program = Program { name: "su", claims, read, sources: SOURCES };

const SOURCES: Sources =
    Sources::fixed(&[Cow::Borrowed("linux")], &[], &[Cow::Borrowed("su"), Cow::Borrowed("auth")]);

/// Who becomes whom, and whether it worked.
struct Change<'a> {
    who: &'a str,
    whom: &'a str,
    worked: bool,
}

fn claims(process: &str) -> bool {
    matches!(bare_name(process), "su" | "su-l" | "runuser")
}

fn read(message: &str, event: &mut Event) {
    let message = message.strip_prefix("su: ").unwrap_or(message).trim();
    let Some(Change { who, whom, worked }) = change(message) else {
        if message.contains("uthentication failure") || message.starts_with("incorrect password") {
            set(event, false);
        }
        return;
    };
    set(event, worked);
    event.set(fields::USER_NAME, who);
    event.set(fields::USER_EFFECTIVE_NAME, whom);
    event.set(fields::USER_TARGET_NAME, whom);
}

fn set(event: &mut Event, worked: bool) {
    event.set(fields::EVENT_ACTION, "su");
    event.set(fields::EVENT_CATEGORY, ["authentication"]);
    event.set(fields::EVENT_OUTCOME, if worked { "success" } else { "failure" });
}

fn change(message: &str) -> Option<Change<'_>> {
    let signed = |rest, worked| terminal_pair(rest, worked);
    if let Some(rest) = message.strip_prefix("+ ") {
        return signed(rest, true);
    }
    if let Some(rest) = message.strip_prefix("- ") {
        return signed(rest, false);
    }
    if let Some(rest) = message.strip_prefix('\'') {
        return solaris(rest);
    }
    for (word, worked) in [("failed: ", false), ("succeeded: ", true)] {
        if let Some(rest) = message.strip_prefix(word) {
            let (_, rest) = rest.split_once(" changing from ")?;
            return pair(rest, worked);
        }
    }
    let (rest, worked) = [
        ("FAILED SU ", false),
        ("FAILED su ", false),
        ("BAD SU ", false),
        ("BAD su ", false),
        ("Failed su ", false),
        ("Successful su ", true),
    ]
    .into_iter()
    .find_map(|(word, worked)| Some((message.strip_prefix(word)?, worked)))
    .unwrap_or((message, true));
    if let Some(rest) = rest.strip_prefix("(to ") {
        let (whom, rest) = rest.split_once(") ")?;
        return Some(Change {
            who: rest.rsplit_once(" on ").map_or(rest, |(who, _)| who),
            whom,
            worked,
        });
    }
    if let Some(rest) = rest.strip_prefix("for ") {
        let (whom, who) = rest.split_once(" by ")?;
        return Some(Change { who, whom, worked });
    }
    let named = rest.len() < message.len() || rest.contains(" on ") || rest.contains(" at ");
    named.then(|| pair(rest.strip_prefix("from ").unwrap_or(rest), worked)).flatten()
}

/// `bob to root[ on /dev/pts/0]`.
fn pair(text: &str, worked: bool) -> Option<Change<'_>> {
    let text = text
        .rsplit_once(" on ")
        .or_else(|| text.rsplit_once(" at "))
        .map_or(text, |(pair, _)| pair);
    let (who, whom) = text.split_once(" to ")?;
    let plain = !who.is_empty() && !whom.is_empty() && !who.contains(' ') && !whom.contains(' ');
    plain.then_some(Change { who, whom, worked })
}

/// `pts/0 bob:root` or `pts/0 bob-root`.
fn terminal_pair(text: &str, worked: bool) -> Option<Change<'_>> {
    let (_, names) = text.split_once(' ')?;
    let (who, whom) = names.split_once(':').or_else(|| names.rsplit_once('-'))?;
    Some(Change { who, whom, worked })
}

/// `su root' failed for bob on /dev/pts/0`.
fn solaris(text: &str) -> Option<Change<'_>> {
    let (command, rest) = text.split_once("' ")?;
    let (verdict, rest) = rest.split_once(" for ")?;
    let whom = command.strip_prefix("su")?.trim();
    let who = rest.rsplit_once(" on ").map_or(rest, |(who, _)| who);
    Some(Change {
        who,
        whom: if whom.is_empty() { "root" } else { whom },
        worked: verdict == "succeeded",
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn all_dialects_say_who_becomes_whom() {
        for (message, outcome) in [
            ("FAILED SU (to root) bob on pts/1", "failure"),
            ("(to root) bob on none", "success"),
            ("Successful su for root by bob", "success"),
            ("FAILED su for root by bob", "failure"),
            ("+ pts/0 bob:root", "success"),
            ("- pts/0 bob:root", "failure"),
            ("BAD SU bob to root on /dev/ttyp0", "failure"),
            ("BAD SU from bob to root at /dev/pts/0", "failure"),
            ("bob to root on /dev/pts/0", "success"),
            ("'su root' failed for bob on /dev/pts/0", "failure"),
            ("'su root' succeeded for bob on /dev/pts/0", "success"),
            ("failed: ttyq4 changing from bob to root", "failure"),
        ] {
            let mut event = Event::new(DateTime::UNIX_EPOCH);
            read(message, &mut event);
            assert_eq!(event.action(), Some("su"), "{message}");
            assert_eq!(event.outcome(), Some(outcome), "{message}");
            assert_eq!(event.text(fields::USER_NAME), Some("bob"), "{message}");
            assert_eq!(event.text(fields::USER_EFFECTIVE_NAME), Some("root"), "{message}");
        }
    }

    #[test]
    fn other_messages_are_left_alone() {
        for message in
            ["", "+", "- x", "cannot set groups: Operation not permitted", "'su", "going to bed"]
        {
            let mut event = Event::new(DateTime::UNIX_EPOCH);
            read(message, &mut event);
            assert_eq!(event.action(), None, "{message}");
        }
    }
}
