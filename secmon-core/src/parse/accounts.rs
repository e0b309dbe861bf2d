//! Messages of the tools that change accounts and groups (shadow-utils, SUSE's, gpasswd, passwd).

use std::borrow::Cow;

use super::{Program, bare_name};
use crate::event::{Event, Field, Sources, fields};

pub(super) const PROGRAM: Program = Program { name: "accounts", claims, read, sources: SOURCES };

const SOURCES: Sources = Sources::fixed(&[Cow::Borrowed("linux")], &[], &[Cow::Borrowed("auth")]);

/// What a message says was done: ECS action and the two words of `event.type`.
struct Done(&'static str, &'static str, &'static str);

const USER_ADDED: Done = Done("user_added", "user", "creation");
const USER_DELETED: Done = Done("user_deleted", "user", "deletion");
const USER_MODIFIED: Done = Done("user_modified", "user", "change");
const GROUP_ADDED: Done = Done("group_added", "group", "creation");
const GROUP_DELETED: Done = Done("group_deleted", "group", "deletion");
const GROUP_MODIFIED: Done = Done("group_modified", "group", "change");
const PASSWORD_CHANGED: Done = Done("password_changed", "user", "change");

fn claims(process: &str) -> bool {
    matches!(
        bare_name(process),
        "useradd"
            | "adduser"
            | "userdel"
            | "deluser"
            | "usermod"
            | "groupadd"
            | "addgroup"
            | "groupdel"
            | "delgroup"
            | "groupmod"
            | "gpasswd"
            | "passwd"
            | "chpasswd"
            | "chage"
            | "chfn"
            | "chsh"
            | "shadow"
            | "newusers"
            | "systemd-sysusers"
    )
}

fn read(message: &str, event: &mut Event) {
    let failed = message.strip_prefix("failed ").or_else(|| message.strip_prefix("Failed "));
    let process = event.text(fields::PROCESS_NAME).map(bare_name).unwrap_or_default();
    let Some(Done(action, subject, kind)) = done(failed.unwrap_or(message), process) else {
        return;
    };
    event.set(fields::EVENT_ACTION, action);
    event.set(fields::EVENT_CATEGORY, ["iam"]);
    event.set(fields::EVENT_TYPE, [subject, kind]);
    event.set(fields::EVENT_OUTCOME, if failed.is_some() { "failure" } else { "success" });
    names(message, subject, event);
}

fn done(text: &str, process: &str) -> Option<Done> {
    let starts = |heads: &[&str]| heads.iter().any(|head| text.starts_with(head));
    let says = |words: &str| text.contains(words);
    Some(if starts(&["new user", "adding user", "new account added", "Creating user"]) {
        USER_ADDED
    } else if starts(&["delete user", "account deleted", "deleting user", "remove user"]) {
        USER_DELETED
    } else if starts(&["new group", "group added", "adding group", "Creating group"]) {
        GROUP_ADDED
    } else if starts(&["removed group", "removed shadow group", "remove group", "group deleted"])
        || (starts(&["group "]) && says("removed"))
    {
        GROUP_DELETED
    } else if says("to group")
        || says("to shadow group")
        || says("from group")
        || says("from shadow group")
    {
        USER_MODIFIED
    } else if says("assword")
        && (says("changed") || says("change ") || says("password set") || says("removed"))
        && !says("expiry")
    {
        PASSWORD_CHANGED
    } else if starts(&[
        "change user",
        "changed user",
        "lock user",
        "unlock user",
        "modify user",
        "account modified",
    ]) || says("expiry")
    {
        USER_MODIFIED
    } else if starts(&["change group", "group changed", "members of group", "modify group"])
        || (starts(&["group "]) && says("changed"))
        || process == "groupmod"
    {
        GROUP_MODIFIED
    } else {
        return None;
    })
}

/// Sets names and ids: `name=bob, UID=1000, GID=1000`, `user 'bob'`, `account=bob`, `for bob`.
fn names(message: &str, subject: &str, event: &mut Event) {
    let listed = message.split_once(": ").or_else(|| message.split_once(" - "));
    for part in listed.map_or("", |(_, list)| list).split(',') {
        let Some((key, value)) = part.trim().split_once('=') else { continue };
        let field = match key {
            "name" | "account" if subject == "user" => fields::USER_NAME,
            "name" | "group" => fields::GROUP_NAME,
            "UID" | "uid" => fields::USER_ID,
            "GID" | "gid" => fields::GROUP_ID,
            _ => continue,
        };
        if event.get(field).is_none() {
            event.set(field, value);
        }
    }
    let user = ["user ", "password for ", "expiry for ", "changed for ", "add ", "delete "];
    if subject == "user" && event.get(fields::USER_NAME).is_none() {
        set_behind(message, &user, fields::USER_NAME, event);
    }
    if event.get(fields::GROUP_NAME).is_none()
        && (subject == "group" || message.contains(" group "))
    {
        set_behind(message, &["(group ", "group "], fields::GROUP_NAME, event);
    }
}

/// Sets the name, quoted or bare, that stands behind the first of the words.
fn set_behind(message: &str, words: &[&str], field: Field, event: &mut Event) {
    let name = words.iter().find_map(|word| {
        let (_, rest) = message.split_once(word)?;
        if let Some(quoted) = rest.strip_prefix(['\'', '`', '"']) {
            return quoted.split(['\'', '"']).next();
        }
        // `(group ops/1002, new name: dev)`; elsewhere a slash can be a part of the name.
        let more = if word.starts_with('(') { '/' } else { '(' };
        rest.split([' ', ',', ':', ';', more]).next()
    });
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        event.set(field, name);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn changes_of_accounts_are_told_apart() {
        for (process, message, action, user, group) in [
            (
                "useradd",
                "new user: name=bob, UID=1001, GID=1002, home=/home/bob, shell=/bin/sh, from=/dev/pts/0",
                "user_added",
                Some("bob"),
                None,
            ),
            ("useradd", "new group: name=bob, GID=1002", "group_added", None, Some("bob")),
            ("useradd", "add 'bob' to group 'adm'", "user_modified", Some("bob"), Some("adm")),
            ("useradd", "failed adding user 'bob', exit code: 9", "user_added", Some("bob"), None),
            (
                "groupadd",
                "group added to /etc/group: name=ops, GID=1002",
                "group_added",
                None,
                Some("ops"),
            ),
            ("userdel", "delete user 'bob'", "user_deleted", Some("bob"), None),
            ("userdel", "removed group 'bob' owned by 'bob'", "group_deleted", None, Some("bob")),
            ("groupdel", "group 'ops' removed from /etc/group", "group_deleted", None, Some("ops")),
            (
                "usermod",
                "change user 'bob' shell from '/bin/sh' to '/bin/bash'",
                "user_modified",
                Some("bob"),
                None,
            ),
            (
                "groupmod",
                "group changed in /etc/group (group ops/1002, new name: dev)",
                "group_modified",
                None,
                Some("ops"),
            ),
            ("usermod", "change user 'bob' password", "password_changed", Some("bob"), None),
            (
                "passwd",
                "password for 'bob' changed by 'root'",
                "password_changed",
                Some("bob"),
                None,
            ),
            ("chage", "changed password expiry for bob", "user_modified", Some("bob"), None),
            (
                "gpasswd",
                "user bob added by root to group adm",
                "user_modified",
                Some("bob"),
                Some("adm"),
            ),
            (
                "shadow",
                "new account added - account=bob, uid=1001, gid=100, by=0",
                "user_added",
                Some("bob"),
                None,
            ),
        ] {
            let mut event = Event::new(DateTime::UNIX_EPOCH);
            event.set(fields::PROCESS_NAME, process);
            assert!(claims(process), "{process}");
            read(message, &mut event);
            assert_eq!(event.action(), Some(action), "{message}");
            assert_eq!(event.text(fields::USER_NAME), user, "{message}");
            assert_eq!(event.text(fields::GROUP_NAME), group, "{message}");
            let outcome = if message.starts_with("failed") { "failure" } else { "success" };
            assert_eq!(event.outcome(), Some(outcome), "{message}");
        }
    }

    #[test]
    fn ids_are_read_and_other_messages_left_alone() {
        let mut event = Event::new(DateTime::UNIX_EPOCH);
        read("new user: name=bob, UID=1001, GID=1002", &mut event);
        assert_eq!(event.text(fields::USER_ID), Some("1001"));
        assert_eq!(event.text(fields::GROUP_ID), Some("1002"));
        let mut event = Event::new(DateTime::UNIX_EPOCH);
        read("cannot lock /etc/passwd", &mut event);
        assert_eq!(event.action(), None);
    }
}
