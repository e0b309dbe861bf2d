use chrono::DateTime;

use super::*;

fn parsed(message: &str) -> Event {
    let mut event = Event::new(DateTime::UNIX_EPOCH);
    read(message, &mut event);
    event
}

fn number(event: &Event) -> Option<i64> {
    event.get(fields::SOURCE_PORT).and_then(crate::Value::as_int)
}

#[test]
fn what_a_client_writes_is_never_taken_for_the_peer() {
    for (message, user, peer, port) in [
        // Names of users that are not there, with and without a port behind the peer.
        (
            "Invalid user a from 198.51.100.1 port 22 from 203.0.113.7",
            "a from 198.51.100.1 port 22",
            "203.0.113.7",
            None,
        ),
        (
            "Invalid user a from 198.51.100.1 from 203.0.113.7 port 5",
            "a from 198.51.100.1",
            "203.0.113.7",
            Some(5),
        ),
        ("Invalid user  from 203.0.113.7", "", "203.0.113.7", None),
        (
            "Failed publickey for invalid user a from 198.51.100.1 port 22 ssh2: RSA SHA256:x from 203.0.113.7 port 5 ssh2",
            "a from 198.51.100.1 port 22 ssh2: RSA SHA256:x",
            "203.0.113.7",
            Some(5),
        ),
        (
            "error: PAM: Authentication failure for illegal user a from 198.51.100.1 port 22 from 203.0.113.7",
            "a from 198.51.100.1 port 22",
            "203.0.113.7",
            None,
        ),
        // What a certificate calls itself, a principal, a user of the client's host.
        (
            "Failed publickey for root from 203.0.113.7 port 5 ssh2: ED25519-CERT SHA256:abc ID x from 198.51.100.1 port 99 (serial 0) CA ED25519 SHA256:zz",
            "root",
            "203.0.113.7",
            Some(5),
        ),
        (
            "Accepted publickey for root from 203.0.113.7 port 5 ssh2: RSA-CERT ID x from 198.51.100.1 port 99 (serial 0) CA RSA SHA256:zz",
            "root",
            "203.0.113.7",
            Some(5),
        ),
        (
            "Accepted gssapi-with-mic for bob from 203.0.113.7 port 5 ssh2: x from 198.51.100.1 port 9@R",
            "bob",
            "203.0.113.7",
            Some(5),
        ),
        (
            "Partial publickey for bob from 203.0.113.7 port 5 ssh2: RSA-CERT ID x from 198.51.100.1 port 9",
            "bob",
            "203.0.113.7",
            Some(5),
        ),
        (
            "Postponed keyboard-interactive for invalid user a from 198.51.100.1 port 9 from 203.0.113.7 port 5 ssh2 [preauth]",
            "a from 198.51.100.1 port 9",
            "203.0.113.7",
            Some(5),
        ),
    ] {
        let event = parsed(message);
        assert_eq!(event.text(fields::USER_NAME), Some(user), "{message}");
        assert_eq!(event.source_ip(), Some(peer.parse().unwrap()), "{message}");
        assert_eq!(number(&event), port, "{message}");
    }
    let refused =
        parsed("fatal: Access denied for user bob by PAM account configuration [preauth]");
    assert_eq!(
        (refused.text(fields::USER_NAME), refused.outcome()),
        (Some("bob"), Some("failure"))
    );
    let partial = parsed("Partial password for bob from 203.0.113.7 port 5 ssh2 [preauth]");
    assert_eq!((partial.action(), partial.outcome()), (Some("ssh_connection"), None));
}

#[test]
fn logins_are_read_in_all_their_forms() {
    for (message, kind, user, peer, port) in [
        (
            "Failed password for root from 203.0.113.7 port 51234 ssh2",
            "Failed",
            "root",
            "203.0.113.7",
            Some(51234),
        ),
        (
            "Failed password for invalid user  from 203.0.113.7 port 5 ssh2",
            "Failed",
            "",
            "203.0.113.7",
            Some(5),
        ),
        (
            "Failed password for invalid user a b from 2001:db8::1 port 5 ssh2",
            "Failed",
            "a b",
            "2001:db8::1",
            Some(5),
        ),
        (
            "Failed password for root from ::ffff:203.0.113.7 port 5",
            "Failed",
            "root",
            "203.0.113.7",
            Some(5),
        ),
        (
            "Failed none for bob from web-1.example port 5 ssh2 [preauth]",
            "Failed",
            "bob",
            "web-1.example",
            Some(5),
        ),
        (
            "Failed password for bob from UNKNOWN port 65535 ssh2",
            "Failed",
            "bob",
            "UNKNOWN",
            Some(65535),
        ),
        (
            "Failed password for invalid user x from 198.51.100.1 port 5 ssh2 from 203.0.113.7 port 6 ssh2",
            "Failed",
            "x from 198.51.100.1 port 5 ssh2",
            "203.0.113.7",
            Some(6),
        ),
        (
            "Failed password for bob from 203.0.113.7 port 6 ssh1: ruser a from 198.51.100.1",
            "Failed",
            "bob",
            "203.0.113.7",
            Some(6),
        ),
        (
            "Failed hostbased for bob from 203.0.113.7 port 6 ssh2: RSA aa:bb, client user \"x from 198.51.100.1 port 5 ssh2\", client host \"h\"",
            "Failed",
            "bob",
            "203.0.113.7",
            Some(6),
        ),
        (
            "Invalid user x from 198.51.100.1 port 5 from 203.0.113.7 port 6",
            "Invalid",
            "x from 198.51.100.1 port 5",
            "203.0.113.7",
            Some(6),
        ),
        ("Invalid user  from 203.0.113.7", "Invalid", "", "203.0.113.7", None),
        ("Invalid user from 203.0.113.7 port 6", "Invalid", "", "203.0.113.7", Some(6)),
        ("Illegal user admin from 203.0.113.7", "Invalid", "admin", "203.0.113.7", None),
        (
            "error: kernel:[ 12.5]: Failed password for bob from 203.0.113.7 port 6 ssh2",
            "Failed",
            "bob",
            "203.0.113.7",
            Some(6),
        ),
    ] {
        let event = parsed(message);
        assert_eq!(event.action(), Some("ssh_login"), "{message}");
        assert_eq!(event.outcome(), Some("failure"), "{message}");
        assert_eq!(event.text(fields::SSH_EVENT), Some(kind), "{message}");
        assert_eq!(event.text(fields::USER_NAME), Some(user), "{message}");
        let source = event.get(fields::SOURCE_IP).or(event.get(fields::SOURCE_ADDRESS));
        assert_eq!(source.unwrap().to_string(), peer, "{message}");
        assert_eq!(number(&event), port, "{message}");
    }
}

#[test]
fn an_accepted_key_keeps_its_signature() {
    let event =
        parsed("Accepted publickey for bob from fe80::1%eth0 port 6 ssh2: ED25519 SHA256:abc");
    assert_eq!(event.outcome(), Some("success"));
    assert_eq!(event.text(fields::SSH_METHOD), Some("publickey"));
    assert_eq!(event.text(fields::SSH_SIGNATURE), Some("ED25519 SHA256:abc"));
    assert_eq!(event.text(fields::SOURCE_ADDRESS), Some("fe80::1%eth0"));
}

#[test]
fn connections_are_no_logins() {
    for (message, outcome, user, peer) in [
        (
            "Connection closed by 203.0.113.7 port 6 [preauth]",
            Some("failure"),
            None,
            Some("203.0.113.7"),
        ),
        ("Connection closed by 203.0.113.7", None, None, Some("203.0.113.7")),
        (
            "Connection from 203.0.113.7 port 6 on 192.0.2.1 port 22",
            None,
            None,
            Some("203.0.113.7"),
        ),
        (
            "Connection closed by authenticating user a 198.51.100.1 port 5 203.0.113.7 port 6 [preauth]",
            Some("failure"),
            Some("a 198.51.100.1 port 5"),
            Some("203.0.113.7"),
        ),
        ("Disconnected from user bob 203.0.113.7 port 6", None, Some("bob"), Some("203.0.113.7")),
        (
            "Disconnecting invalid user bob 203.0.113.7 port 6: Change of username or service not allowed: (bob 198.51.100.1 port 5: x,ssh-connection) -> (y,ssh-connection) [preauth]",
            Some("failure"),
            Some("bob"),
            Some("203.0.113.7"),
        ),
        (
            "Disconnecting: Too many authentication failures for root [preauth]",
            Some("failure"),
            Some("root"),
            None,
        ),
        (
            "Received disconnect from 203.0.113.7: 11: from 198.51.100.1 [preauth]",
            Some("failure"),
            None,
            Some("203.0.113.7"),
        ),
        (
            "Received disconnect from 203.0.113.7 port 6:11: disconnected by user",
            None,
            None,
            Some("203.0.113.7"),
        ),
        (
            "User bob from 203.0.113.7 not allowed because not listed in AllowUsers",
            Some("failure"),
            Some("bob"),
            Some("203.0.113.7"),
        ),
        (
            "error: maximum authentication attempts exceeded for invalid user bob from 203.0.113.7 port 6 ssh2 [preauth]",
            Some("failure"),
            Some("bob"),
            Some("203.0.113.7"),
        ),
        (
            "error: PAM: Authentication failure for illegal user bob from 203.0.113.7 via 192.0.2.1",
            Some("failure"),
            Some("bob"),
            Some("203.0.113.7"),
        ),
        (
            "Bad protocol version identification 'a from 198.51.100.1 port 5' from 203.0.113.7 port 6",
            Some("failure"),
            None,
            Some("203.0.113.7"),
        ),
        (
            "banner exchange: Connection from 203.0.113.7 port 6: invalid format",
            Some("failure"),
            None,
            Some("203.0.113.7"),
        ),
        (
            "drop connection #10 from [203.0.113.7]:6 on [192.0.2.1]:22 past MaxStartups",
            Some("failure"),
            None,
            Some("203.0.113.7"),
        ),
        (
            "fatal: Timeout before authentication for 203.0.113.7 port 6",
            Some("failure"),
            None,
            Some("203.0.113.7"),
        ),
        (
            "Timeout before authentication for connection from 203.0.113.7 to 192.0.2.1, pid = 7",
            Some("failure"),
            None,
            Some("203.0.113.7"),
        ),
        (
            "reverse mapping checking getaddrinfo for web-1.example [203.0.113.7] failed - POSSIBLE BREAK-IN ATTEMPT!",
            None,
            None,
            Some("203.0.113.7"),
        ),
        (
            "Address 203.0.113.7 maps to web-1.example, but this does not map back to the address - POSSIBLE BREAK-IN ATTEMPT!",
            None,
            None,
            Some("203.0.113.7"),
        ),
        ("input_userauth_request: invalid user bob [preauth]", None, Some("bob"), None),
        (
            "refused connect from x@203.0.113.7 (203.0.113.7)",
            Some("failure"),
            None,
            Some("203.0.113.7"),
        ),
        (
            "ROOT LOGIN REFUSED FROM 203.0.113.7 port 6 [preauth]",
            Some("failure"),
            Some("root"),
            Some("203.0.113.7"),
        ),
    ] {
        let event = parsed(message);
        assert_ne!(event.action(), Some("ssh_login"), "{message}");
        assert_eq!(event.outcome(), outcome, "{message}");
        assert_eq!(event.text(fields::USER_NAME), user, "{message}");
        assert_eq!(event.source_ip().map(|ip| ip.to_string()).as_deref(), peer, "{message}");
    }
    assert_eq!(parsed("Server listening on 0.0.0.0 port 22.").action(), None);
}

#[test]
fn processes_of_sshd_are_claimed() {
    for process in ["sshd", "sshd-session", "/usr/sbin/sshd", "sshd(pam_unix)", "sshd-auth"] {
        assert!(claims(process), "{process}");
    }
    assert!(!claims("sshd2") && !claims("dropbear"));
}
