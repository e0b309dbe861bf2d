//! Messages of sudo.

use std::borrow::Cow;

use super::{Program, bare_name};
use crate::event::{Event, Sources, fields};

pub(super) const PROGRAM: Program = Program { name: "sudo", claims, read, sources: SOURCES };

const SOURCES: Sources =
    Sources::fixed(&[Cow::Borrowed("linux")], &[], &[Cow::Borrowed("sudo"), Cow::Borrowed("auth")]);

fn claims(process: &str) -> bool {
    matches!(bare_name(process), "sudo" | "sudoedit" | "sudo-i")
}

/// `USER : [REASON ; ]TTY=.. ; PWD=.. ; USER=.. ; [GROUP=.. ; ][ENV=.. ; ]COMMAND=..`. What comes
/// behind the first `COMMAND=` is the command, whatever it holds.
fn read(message: &str, event: &mut Event) {
    let Some((user, rest)) = message.split_once(" : ") else { return };
    if rest.starts_with("(command continued)") {
        return;
    }
    let (head, command) = command_of(rest);
    let (reason, pairs) = split(head.strip_suffix(" ;").unwrap_or(head));
    for (key, value) in pairs {
        match key {
            "TTY" => event.set(fields::SUDO_TTY, value),
            "PWD" => event.set(fields::PROCESS_WORKING_DIRECTORY, value),
            "USER" => event.set(fields::USER_EFFECTIVE_NAME, value.trim_end()),
            "GROUP" => event.set("user.effective.group.name", value),
            "ENV" => event.set("process.env_vars", vec![value]),
            _ => {}
        }
    }
    let is_sudo = command.is_some() || head.contains("TTY=") || reason.is_some_and(is_refusal);
    if !is_sudo {
        return;
    }
    event.set(fields::EVENT_ACTION, "sudo");
    event.set(fields::USER_NAME, user.trim());
    if let Some(command) = command {
        event.set(fields::PROCESS_COMMAND_LINE, command);
    }
    let (outcome, categories) = match reason {
        None => ("success", vec!["process"]),
        Some(reason) if is_remark(reason) => ("unknown", vec!["process"]),
        Some(_) => ("failure", vec!["authentication", "process"]),
    };
    if let Some(reason) = reason {
        event.set(fields::SUDO_ERROR, reason);
    }
    event.set(fields::EVENT_OUTCOME, outcome);
    event.set(fields::EVENT_CATEGORY, categories);
}

/// What stands before the command, and the command: behind `USER=`, as a folder can be called ` ; COMMAND=x`.
fn command_of(text: &str) -> (&str, Option<&str>) {
    const COMMAND: &str = " ; COMMAND=";
    if let Some(command) = text.strip_prefix("COMMAND=") {
        return ("", Some(command));
    }
    let user = text.find(" ; USER=").unwrap_or_default();
    let behind = |from: usize| text.get(from..)?.find(COMMAND).map(|at| from + at);
    let split = behind(user).or_else(|| behind(0)).and_then(|at| text.split_at_checked(at));
    split.map_or((text, None), |(head, command)| (head, command.strip_prefix(COMMAND)))
}

/// The reason, which stands before the first `KEY=`, and the pairs. Keys come in one order: what stands between two of
/// them belongs to the value of the first, whatever it holds; a folder can be called `a ; b`. A folder that is called
/// ` ; USER=x ; COMMAND=y` as a whole cannot be told from these.
fn split(head: &str) -> (Option<&str>, Vec<(&str, &str)>) {
    const KEYS: [&str; 11] = [
        "HOST",
        "TTY",
        "CHROOT",
        "PWD",
        "CWD",
        "USER",
        "GROUP",
        "RUNCHROOT",
        "RUNCWD",
        "TSID",
        "ENV",
    ];
    let mut reason = None;
    let mut rank = None;
    // Each key, and from where to where its value stands.
    let mut found: Vec<(&str, usize, usize)> = Vec::new();
    let mut at = 0;
    for part in head.split(" ; ") {
        let end = at + part.len();
        let key = part.split_once('=').and_then(|(key, _)| {
            let place = KEYS.iter().position(|known| *known == key);
            Some((key, place.filter(|place| rank.is_none_or(|rank| *place > rank))?))
        });
        match (key, found.last_mut()) {
            (Some((key, place)), _) => {
                rank = Some(place);
                found.push((key, at + key.len() + 1, end));
            }
            (None, Some(last)) => last.2 = end,
            (None, None) => reason = reason.or(Some(part.trim()).filter(|part| !part.is_empty())),
        }
        at = end + 3;
    }
    let values = found.into_iter();
    (reason, values.filter_map(|(key, from, to)| Some((key, head.get(from..to)?))).collect())
}

/// Remarks on sudo's own settings, which refuse nothing.
fn is_remark(reason: &str) -> bool {
    ["problem with defaults", "unable to", "parse error", "timestamp"]
        .iter()
        .any(|head| reason.starts_with(head))
}

/// Refusals that can stand without a terminal or command.
fn is_refusal(reason: &str) -> bool {
    [
        "incorrect password",
        "NOT in sudoers",
        "NOT authorized",
        "not allowed",
        "is required",
        "conversation failed",
        "could not identify password",
        "authentication failure",
    ]
    .iter()
    .any(|words| reason.contains(words))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn parsed(message: &str) -> Event {
        let mut event = Event::new(DateTime::UNIX_EPOCH);
        read(message, &mut event);
        event
    }

    #[test]
    fn commands_are_read_whatever_they_hold() {
        let event = parsed(
            "bob : TTY=pts/0 ; PWD=/srv/a b ; USER=root ; GROUP=adm ; ENV=A=1 ; COMMAND=/bin/sh -c x ; COMMAND=y",
        );
        assert_eq!(event.action(), Some("sudo"));
        assert_eq!(event.outcome(), Some("success"));
        assert_eq!(event.text(fields::USER_NAME), Some("bob"));
        assert_eq!(event.text(fields::USER_EFFECTIVE_NAME), Some("root"));
        assert_eq!(event.text(fields::PROCESS_COMMAND_LINE), Some("/bin/sh -c x ; COMMAND=y"));
        assert_eq!(event.text(fields::PROCESS_WORKING_DIRECTORY), Some("/srv/a b"));
        assert_eq!(event.text(fields::SUDO_TTY), Some("pts/0"));
    }

    #[test]
    fn a_folder_may_be_called_anything() {
        let event = parsed("eve : TTY=pts/0 ; PWD=/tmp/a ; b ; USER=root ; COMMAND=/bin/ls");
        assert_eq!(event.outcome(), Some("success"));
        assert_eq!(event.text(fields::SUDO_ERROR), None);
        assert_eq!(event.text(fields::PROCESS_WORKING_DIRECTORY), Some("/tmp/a ; b"));
        assert_eq!(event.text(fields::USER_EFFECTIVE_NAME), Some("root"));
        let event =
            parsed("eve : TTY=pts/0 ; PWD=/tmp/a ; COMMAND=x ; USER=root ; COMMAND=/bin/sh");
        assert_eq!(event.text(fields::USER_EFFECTIVE_NAME), Some("root"));
        assert_eq!(event.text(fields::PROCESS_COMMAND_LINE), Some("/bin/sh"));
        let event =
            parsed("eve : TTY=pts/0 ; PWD=/ ; USER=root ; ENV=A=b ; USER=games ; COMMAND=/bin/sh");
        assert_eq!(event.text(fields::USER_EFFECTIVE_NAME), Some("root"));
    }

    #[test]
    fn refusals_are_failures() {
        for reason in [
            "3 incorrect password attempts",
            "user NOT in sudoers",
            "command not allowed",
            "a password is required",
            "conversation failed",
        ] {
            let event = parsed(&format!(
                "ex\\a b : {reason} ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls"
            ));
            assert_eq!(event.outcome(), Some("failure"), "{reason}");
            assert_eq!(event.text(fields::SUDO_ERROR), Some(reason));
            assert_eq!(event.text(fields::USER_NAME), Some("ex\\a b"));
            assert_eq!(
                event.get(fields::EVENT_CATEGORY),
                Some(&vec!["authentication", "process"].into())
            );
        }
        assert_eq!(parsed("bob : conversation failed").outcome(), Some("failure"));
    }

    #[test]
    fn other_messages_are_left_alone() {
        assert_eq!(parsed("unable to resolve host web-1 : x").action(), None);
        assert_eq!(parsed("bob : (command continued) a b").action(), None);
        assert_eq!(parsed("").action(), None);
        let remark =
            parsed("bob : problem with defaults entries ; TTY=pts/0 ; PWD=/ ; USER=root ;");
        assert_eq!(remark.outcome(), Some("unknown"));
        assert_eq!(remark.text(fields::USER_EFFECTIVE_NAME), Some("root"));
    }
}
