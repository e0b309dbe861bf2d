use chrono::DateTime;

use super::*;

fn parsed(process: &str, message: &str) -> Event {
    assert!(is_pam(message) || claims(process), "{message}");
    let mut event = Event::new(DateTime::UNIX_EPOCH);
    event.set(fields::PROCESS_NAME, process);
    read(message, &mut event);
    event
}

#[test]
fn failures_give_user_and_remote_host() {
    for (message, user, peer, repeats) in [
        (
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.7  user=root",
            Some("root"),
            Some("203.0.113.7"),
            1,
        ),
        (
            "(pam_unix) authentication failure; logname= uid=0 euid=0 tty=ftp ruser=bob rhost=web-1.example",
            Some("bob"),
            Some("web-1.example"),
            1,
        ),
        (
            "authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.7 ",
            None,
            Some("203.0.113.7"),
            1,
        ),
        (
            "PAM 5 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.7  user=root",
            Some("root"),
            Some("203.0.113.7"),
            5,
        ),
        (
            "PAM 1 more authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.7",
            None,
            Some("203.0.113.7"),
            1,
        ),
        (
            "3 more authentication failures; logname= uid=0 euid=0 tty= ruser= rhost=203.0.113.7",
            None,
            Some("203.0.113.7"),
            3,
        ),
        (
            "pam_unix(x:auth): authentication failure; ruser=a rhost=198.51.100.1 rhost=203.0.113.7",
            Some("a rhost=198.51.100.1"),
            Some("203.0.113.7"),
            1,
        ),
        (
            "pam_unix(x:auth): authentication failure; ruser= rhost=203.0.113.7 user=a rhost=198.51.100.1",
            Some("a rhost=198.51.100.1"),
            Some("203.0.113.7"),
            1,
        ),
        (
            "auth: pam_unix(dovecot:auth): authentication failure; tty=dovecot ruser=bob rhost=2001:db8::1",
            Some("bob"),
            Some("2001:db8::1"),
            1,
        ),
        ("pam_unix(sshd:auth): check pass; user unknown", None, None, 1),
        (
            "pam_succeed_if(sshd:auth): requirement \"uid >= 1000\" not met by user \"bob\"",
            Some("bob"),
            None,
            1,
        ),
        ("pam_tally2(sshd:auth): user bob (1000) tally 5, deny 3", Some("bob"), None, 1),
        (
            "pam_faillock(sshd:auth): Consecutive login failures for user bob account temporarily locked",
            Some("bob"),
            None,
            1,
        ),
        (
            "pam_winbind(sshd:auth): user 'bob' denied access (incorrect password)",
            Some("bob"),
            None,
            1,
        ),
        (
            "pam_vas: Authentication <failed> for <Active Directory> user: <bob> service: <sshd>",
            Some("bob"),
            None,
            1,
        ),
        ("pam_unix(sudo:auth): auth could not identify password for [bob]", Some("bob"), None, 1),
        (
            "pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.7 user=bob",
            Some("bob"),
            Some("203.0.113.7"),
            1,
        ),
    ] {
        let event = parsed("daemon", message);
        assert_eq!(event.action(), Some("pam_authentication"), "{message}");
        assert_eq!(event.outcome(), Some("failure"), "{message}");
        assert_eq!(event.text(fields::USER_NAME), user, "{message}");
        let source = event.get(fields::SOURCE_IP).or(event.get(fields::SOURCE_ADDRESS));
        assert_eq!(source.map(ToString::to_string).as_deref(), peer, "{message}");
        assert_eq!(event.repeats(), repeats, "{message}");
    }
}

#[test]
fn sessions_name_their_users() {
    for (process, message, action, user, effective) in [
        (
            "sshd",
            "pam_unix(sshd:session): session opened for user bob(uid=1000) by (uid=0)",
            "session_opened",
            "bob",
            None,
        ),
        (
            "sshd",
            "pam_unix(sshd:session): session opened for user bob by root(uid=0)",
            "session_opened",
            "bob",
            None,
        ),
        (
            "su(pam_unix)",
            "session opened for user root by bob(uid=1000)",
            "session_opened",
            "bob",
            Some("root"),
        ),
        (
            "sudo",
            "pam_unix(sudo:session): session opened for user root by (uid=0)",
            "session_opened",
            "root",
            None,
        ),
        (
            "cron",
            "pam_unix(cron:session): session closed for user root",
            "session_closed",
            "root",
            None,
        ),
    ] {
        let event = parsed(process, message);
        assert_eq!(event.action(), Some(action), "{message}");
        assert_eq!(event.text(fields::USER_NAME), Some(user), "{message}");
        assert_eq!(event.text(fields::USER_EFFECTIVE_NAME), effective, "{message}");
    }
}

#[test]
fn other_messages_are_left_alone() {
    let event = parsed("sshd", "pam_systemd(sshd:session): Failed to create session: No such file");
    assert_eq!(event.action(), None);
    for message in ["Failed password for bob", "pamphlet", "connection from 203.0.113.7", "", "7 x"]
    {
        assert!(!is_pam(message), "{message}");
    }
}
