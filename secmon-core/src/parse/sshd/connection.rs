//! What sshd says of connections: refused users, broken protocols, disconnects.

use memchr::memmem;

use super::{from, set_peer, who};
use crate::event::{Event, fields};
use crate::parse::peer::{is_host, port, set_destination, set_source, set_source_and_port};

/// What a message says of the connection.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    /// Somebody came or went.
    Plain,
    /// The connection or its protocol was refused or broke before a login.
    Broken,
    /// A login was refused.
    Refused,
    /// Nothing that is known.
    Unknown,
}
use Meaning::{Broken, Plain, Refused, Unknown};

/// Reads a message that is no login; `preauth` says that nobody had logged in yet.
pub(super) fn read(text: &str, preauth: bool, event: &mut Event) {
    let meaning = known(text, event).unwrap_or(Unknown);
    let is_pam = text.starts_with("PAM: ");
    let action = if is_pam { "pam_authentication" } else { "ssh_connection" };
    let meaning = if preauth && matches!(meaning, Plain | Unknown) && !is_notice(text) {
        Broken
    } else {
        meaning
    };
    let category = match meaning {
        Unknown => return,
        Plain => "session",
        Broken => "network",
        Refused => "authentication",
    };
    event.set(fields::EVENT_ACTION, action);
    event.set(fields::EVENT_CATEGORY, [category]);
    if meaning != Plain {
        event.set(fields::EVENT_OUTCOME, "failure");
    }
}

/// Messages before a login that refuse nothing.
fn is_notice(text: &str) -> bool {
    ["input_userauth_request:", "Postponed ", "Partial ", "Connection from ", "SSH: "]
        .iter()
        .any(|head| text.starts_with(head))
}

fn known(text: &str, event: &mut Event) -> Option<Meaning> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Some(match word {
        "Connection" => return connection(rest, event),
        "Disconnected" => set_party(rest.strip_prefix("from ")?, event),
        "Disconnecting" | "Disconnecting:" => return disconnecting(rest, event),
        "Received" => return received(rest, event),
        "User" => return user(rest, event),
        "PAM:" => return pam(rest, event),
        "ROOT" => {
            set_peer(rest.strip_prefix("LOGIN REFUSED FROM ")?, event);
            event.set(fields::USER_NAME, "root");
            Refused
        }
        "Did" => {
            set_peer(rest.strip_prefix("not receive identification string from ")?, event);
            Broken
        }
        "Bad" if rest.starts_with("protocol version") => {
            set_peer(from(rest)?.1, event);
            Broken
        }
        "Bad" | "Corrupted" | "Read" | "Write" => {
            if let Some(peer) = rest.strip_prefix("error from remote host ") {
                set_peer(peer, event);
            }
            return None;
        }
        "Protocol" => {
            set_peer(rest.strip_prefix("major versions differ for ")?, event);
            Broken
        }
        "Unable" => {
            let rest = rest.strip_prefix("to negotiate ")?;
            if let Some(peer) = rest.strip_prefix("with ") {
                set_peer(peer, event);
            }
            Broken
        }
        "no" if rest.starts_with("matching ") || rest.starts_with("hostkey alg") => Broken,
        "Timeout" => {
            let rest = rest.strip_prefix("before authentication")?;
            let rest = rest.strip_prefix(" for ").unwrap_or(rest);
            let rest = rest.strip_prefix("connection from ").unwrap_or(rest);
            set_peer(rest, event);
            Refused
        }
        "maximum" => {
            let rest = rest.strip_prefix("authentication attempts exceeded for ")?;
            let (name, peer) = from(rest)?;
            set_user(name.strip_prefix("invalid user ").unwrap_or(name), event);
            set_peer(peer, event);
            Refused
        }
        "Too" => return too_many(text, event),
        "refused" | "Refused" | "rexec" => {
            let (_, address) = rest.strip_prefix("connect from ")?.rsplit_once(['(', ' ', '@'])?;
            set_source(event, address.trim_end_matches(')'));
            Refused
        }
        "Address" | "reverse" | "Nasty" => return mapping(word, rest, event),
        "Authentication" => return authentication(rest, event),
        "Access" => {
            let (name, _) = rest.strip_prefix("denied for user ")?.rsplit_once(" by PAM ")?;
            set_user(name, event);
            Refused
        }
        "Postponed" | "Partial" => {
            let (method, rest) = rest.split_once(" for ")?;
            let (name, peer) = who(method, rest)?;
            set_user(name, event);
            event.set(fields::SSH_METHOD, method);
            set_peer(peer, event);
            Plain
        }
        "input_userauth_request:" | "userauth_finish:" => {
            let rest = rest.strip_prefix("invalid user").or(rest.strip_prefix("illegal user"))?;
            set_user(rest.strip_prefix(' ').unwrap_or(rest), event);
            Plain
        }
        "Starting" => {
            let (_, rest) = rest.strip_prefix("session: ")?.split_once(" for ")?;
            let (name, peer) = from(rest)?;
            set_user(name, event);
            set_peer(peer, event);
            Plain
        }
        "Close" => {
            let (name, peer) = from(rest.strip_prefix("session: user ")?)?;
            set_user(name, event);
            set_peer(peer, event);
            Plain
        }
        "drop" => {
            let (_, rest) = rest.split_once(" from ")?;
            let (address, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            set_source_and_port(event, address);
            set_local(rest, event);
            Broken
        }
        "banner"
        | "ssh_dispatch_run_fatal:"
        | "kex_exchange_identification:"
        | "kex_protocol_error:" => {
            let (_, rest) = text.split_once(": ")?;
            let rest =
                rest.strip_prefix("Connection from ").or(rest.strip_prefix("connection from "));
            if let Some(rest) = rest {
                set_party(rest, event);
            }
            Broken
        }
        "SSH:" => {
            let (_, remote) = rest.split_once(";Remote: ")?;
            let (address, number) = remote.split(';').next()?.rsplit_once('-')?;
            set_source(event, address);
            if let Some(number) = port(number) {
                event.set(fields::SOURCE_PORT, number);
            }
            if let Some((_, name)) = rest.split_once(";Name: ") {
                set_user(name, event);
            }
            Plain
        }
        "Login" if rest.contains("refused") || rest.contains("not allowed") => Refused,
        _ => return None,
    })
}

fn set_user(name: &str, event: &mut Event) {
    event.set(fields::USER_NAME, name);
}

/// ` on ADDRESS port N`: the own end.
fn set_local(text: &str, event: &mut Event) {
    let text = text.trim_start();
    let Some(text) = text.strip_prefix("on ") else { return };
    let (address, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (address, number) = crate::parse::peer::split_port(address);
    set_destination(event, address);
    let number = number.or_else(|| port(rest.strip_prefix("port ")?));
    if let Some(number) = number {
        event.set(fields::DESTINATION_PORT, number);
    }
}

/// `[invalid |authenticating ]user NAME ADDRESS[ port N]` or `ADDRESS[ port N]`, with a reason
/// behind a colon: the address is read from the end, as names can hold blanks.
fn set_party(text: &str, event: &mut Event) -> Meaning {
    let named = [("invalid user ", Refused), ("authenticating user ", Refused), ("user ", Plain)]
        .into_iter()
        .find_map(|(prefix, meaning)| Some((text.strip_prefix(prefix)?, meaning)));
    let Some((text, meaning)) = named else {
        let rest = set_peer(text, event);
        set_local(rest, event);
        return if rest.contains("Auth fail") { Refused } else { Plain };
    };
    let (head, number) = with_port(text).unwrap_or((text, None));
    let (name, address) = head.rsplit_once(' ').unwrap_or(("", head));
    if is_host(address) {
        set_user(name, event);
        set_source(event, address);
        if let Some(number) = number {
            event.set(fields::SOURCE_PORT, number);
        }
    }
    meaning
}

/// Splits at the last ` port N` that ends the text or stands before a colon or blank.
fn with_port(text: &str) -> Option<(&str, Option<i64>)> {
    memmem::rfind_iter(text.as_bytes(), b" port ").find_map(|at| {
        let (head, tail) = text.split_at_checked(at)?;
        let number = tail.strip_prefix(" port ")?;
        let rest = number.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let ends = rest.len() < number.len() && (rest.is_empty() || rest.starts_with([':', ' ']));
        ends.then(|| (head, port(number)))
    })
}

/// `closed by PARTY`, `reset by PARTY`, `from ADDRESS port N on ADDRESS port N`.
fn connection(rest: &str, event: &mut Event) -> Option<Meaning> {
    if let Some(party) = rest.strip_prefix("closed by ").or(rest.strip_prefix("reset by ")) {
        return Some(set_party(party, event));
    }
    let behind = set_peer(rest.strip_prefix("from ")?, event);
    set_local(behind, event);
    Some(if behind.contains("refused") { Broken } else { Plain })
}

/// `[PARTY: ]REASON`; reasons can quote the client, so the party ends at the first known one.
fn disconnecting(rest: &str, event: &mut Event) -> Option<Meaning> {
    let users = ["invalid user ", "authenticating user ", "user "];
    if !users.iter().any(|prefix| rest.starts_with(prefix)) && !rest.starts_with("from ") {
        if !rest.starts_with("Too many") {
            let address = rest.split(' ').next()?;
            if address.parse::<std::net::IpAddr>().is_ok() {
                set_peer(rest, event);
            }
            return None;
        }
        return too_many(rest, event);
    }
    let reason = [": Change of username", ": Too many authentication failures"]
        .iter()
        .find_map(|reason| rest.split_once(reason));
    let party = reason.or_else(|| rest.rsplit_once(": ")).map_or(rest, |(party, _)| party);
    set_party(party.strip_prefix("from ").unwrap_or(party), event);
    Some(if reason.is_some() || !party.starts_with("user ") { Refused } else { Broken })
}

/// `Too many authentication failures[ for [invalid user ]NAME[ from ADDRESS port N ssh2]]`. Where servers name no peer a
/// client's name can look like one: only the whole form is taken for it.
fn too_many(text: &str, event: &mut Event) -> Option<Meaning> {
    let rest = text.strip_prefix("Too many authentication failures")?;
    if let Some(rest) = rest.strip_prefix(" for ") {
        let rest = rest.strip_prefix("invalid user ").unwrap_or(rest);
        let peer = from(rest).filter(|(_, peer)| peer.contains(" port "));
        set_user(peer.map_or(rest, |(name, _)| name), event);
        if let Some((_, peer)) = peer {
            set_peer(peer, event);
        }
    }
    Some(Refused)
}

/// `disconnect from ADDRESS[ port N]: CODE: what the client said`.
fn received(rest: &str, event: &mut Event) -> Option<Meaning> {
    let rest = rest.strip_prefix("disconnect from ")?;
    let said = set_peer(rest, event).trim_start_matches([':', ' ']);
    let refused = said.starts_with("14:") || said.ends_with("Auth fail");
    Some(if refused { Refused } else { Plain })
}

/// `NAME[ from HOST] not allowed because REASON`.
fn user(rest: &str, event: &mut Event) -> Option<Meaning> {
    let (who, reason) = rest.rsplit_once(" not allowed because ")?;
    match who.rsplit_once(" from ") {
        Some((name, peer)) => {
            set_user(name, event);
            set_peer(peer, event);
        }
        None => set_user(who, event),
    }
    event.set(fields::EVENT_REASON, reason);
    Some(Refused)
}

/// `Authentication failure for [illegal user ]NAME from HOST[ via ADDRESS]`.
fn pam(rest: &str, event: &mut Event) -> Option<Meaning> {
    let (reason, rest) = rest.split_once(" for ")?;
    let (name, peer) = from(rest.trim_end())?;
    let illegal = name.strip_prefix("illegal user ").or(name.strip_prefix("invalid user "));
    set_user(illegal.unwrap_or(name), event);
    set_peer(peer, event);
    event.set(fields::EVENT_REASON, reason);
    Some(Refused)
}

/// Names and addresses that do not belong together: an observation, no refusal.
fn mapping(word: &str, rest: &str, event: &mut Event) -> Option<Meaning> {
    let (address, host) = match word {
        "Address" => {
            let (address, rest) = rest.split_once(" maps to ")?;
            (address, rest.split(", but this does not").next()?)
        }
        "reverse" => {
            let (host, address) = rest.rsplit_once("] failed")?.0.rsplit_once(" [")?;
            (address, host.rsplit(' ').next()?)
        }
        _ => {
            let (host, address) = rest.rsplit_once(" is set up for ")?;
            let host = host.strip_prefix("PTR record ").unwrap_or(host);
            (address.split(',').next()?, host.trim_matches('"'))
        }
    };
    set_source(event, address);
    event.set(fields::SOURCE_DOMAIN, host);
    Some(Plain)
}

/// `tried for NAME with correct key but not from a permitted host (host=H, ip=A)`, `refused: ...`.
fn authentication(rest: &str, event: &mut Event) -> Option<Meaning> {
    if let Some(rest) = rest.strip_prefix("tried for ") {
        let (name, peer) = rest.rsplit_once(" with ")?;
        set_user(name, event);
        let (_, address) = peer.rsplit_once("ip=")?;
        set_source(event, address.trim_end_matches([')', '.', ' ']).split(',').next()?);
        return Some(Refused);
    }
    rest.starts_with("refused").then_some(Refused)
}
