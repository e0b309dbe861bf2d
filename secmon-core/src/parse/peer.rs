//! Where something came from or went to: addresses with and without port, names of hosts.

use std::net::{IpAddr, Ipv6Addr};

use crate::event::{Event, Field, Value, fields};

/// Sets the source: an address, or the name of a host. Says whether the text is either.
pub(super) fn set_source(event: &mut Event, text: &str) -> bool {
    set(event, text, fields::SOURCE_IP, fields::SOURCE_ADDRESS)
}

/// Sets the destination likewise.
pub(super) fn set_destination(event: &mut Event, text: &str) -> bool {
    set(event, text, fields::DESTINATION_IP, fields::DESTINATION_ADDRESS)
}

fn set(event: &mut Event, text: &str, ip: Field, address: Field) -> bool {
    if let Ok(parsed) = text.parse::<IpAddr>() {
        event.set(ip, parsed);
        return true;
    }
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Some(parsed) = scoped(text) {
        event.set(ip, parsed);
        event.set(address, text);
        return true;
    }
    if let Ok(parsed) = text.parse::<IpAddr>() {
        event.set(ip, parsed);
        return true;
    }
    let named = is_host(text);
    if named {
        event.set(address, text);
    }
    named
}

/// An IPv6 address with its zone (`fe80::1%eth0`).
fn scoped(text: &str) -> Option<IpAddr> {
    let (address, zone) = text.split_once('%')?;
    (!zone.is_empty() && is_host(zone)).then(|| address.parse::<Ipv6Addr>().ok())?.map(Into::into)
}

/// Whether a text can be the name of a host (also `UNKNOWN`, as sshd calls a peer that is gone).
pub(super) fn is_host(text: &str) -> bool {
    let wordy = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80;
    text.len() <= 255
        && text.bytes().any(wordy)
        && text.bytes().all(|byte| wordy(byte) || matches!(byte, b'.' | b'-' | b'_' | b':' | b'%'))
}

/// `1.2.3.4:5`, `[2001:db8::1]:5`, `2001:db8::1` or a host name: address and port.
pub(super) fn split_port(text: &str) -> (&str, Option<i64>) {
    if text.parse::<IpAddr>().is_ok() {
        return (text, None);
    }
    let split = text.rsplit_once(':').and_then(|(address, port)| {
        let port: u16 = port.parse().ok()?;
        Some((address, Some(i64::from(port))))
    });
    let (address, port) = split.unwrap_or((text, None));
    (address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address), port)
}

/// Sets the source and its port from `1.2.3.4:5`.
pub(super) fn set_source_and_port(event: &mut Event, text: &str) -> bool {
    let (address, port) = split_port(text);
    let known = set_source(event, address);
    if let Some(port) = port.filter(|_| known) {
        event.set(fields::SOURCE_PORT, port);
    }
    known
}

/// The integer at the head of a text, if it fits a port.
pub(super) fn port(text: &str) -> Option<i64> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let port: u16 = text.get(..end)?.parse().ok()?;
    Some(i64::from(port))
}

/// A hardware address as ECS writes it (RFC 7042): `00-0F-F7-74-31-8A`.
pub(super) fn mac(octets: &str) -> Value {
    Value::Text(octets.to_ascii_uppercase().replace(':', "-"))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn addresses_names_and_zones_are_told_apart() {
        for (text, ip, address) in [
            ("203.0.113.7", Some("203.0.113.7"), None),
            ("::ffff:203.0.113.7", Some("203.0.113.7"), None),
            ("[2001:db8::1]", Some("2001:db8::1"), None),
            ("fe80::1%eth0", Some("fe80::1"), Some("fe80::1%eth0")),
            ("web-1.example", None, Some("web-1.example")),
            ("UNKNOWN", None, Some("UNKNOWN")),
            ("-", None, None),
            ("a b", None, None),
        ] {
            let mut event = Event::new(DateTime::UNIX_EPOCH);
            assert_eq!(set_source(&mut event, text), ip.is_some() || address.is_some(), "{text}");
            assert_eq!(event.source_ip(), ip.map(|ip| ip.parse().unwrap()), "{text}");
            assert_eq!(event.text(fields::SOURCE_ADDRESS), address, "{text}");
        }
    }

    #[test]
    fn ports_are_split_off() {
        assert_eq!(split_port("203.0.113.7:5"), ("203.0.113.7", Some(5)));
        assert_eq!(split_port("[2001:db8::1]:5"), ("2001:db8::1", Some(5)));
        assert_eq!(split_port("2001:db8::1"), ("2001:db8::1", None));
        assert_eq!(split_port("web-1:443"), ("web-1", Some(443)));
        assert_eq!(split_port("web-1:99999"), ("web-1:99999", None));
    }
}
