//! Access from outside the allowed networks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{About, Detections, Group, Input, Rule, Signals};
use crate::event::{Event, Level, fields};

/// A login, or anything else with a user, from an address outside all allowed networks. Silent until
/// `allowed` is set.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Address {
    /// The networks that may connect, as CIDR: `10.0.0.0/8`, `2001:db8::/32`, or one address.
    pub allowed: Vec<Cidr>,
}

impl Rule for Address {
    const KIND: &'static str = "address";
    const ABOUT: About<'static> = About {
        title: "Access from an address that is not allowed",
        level: Level::High,
        technique: "T1133",
        description: "Somebody used an account from outside the allowed networks.",
        advice: "If the address is not one of yours, end the session and change the password.",
    };
    type State = ();

    fn signals(&self, event: &Event, out: &mut Signals) {
        if self.allowed.is_empty() {
            return;
        }
        let Some(address) = event.source_ip() else { return };
        let login = matches!(event.action(), Some("ssh_login" | "login"));
        if (login || event.get(fields::USER_NAME).is_some())
            && !self.allowed.iter().any(|network| network.contains(address))
        {
            out.push(Group::by_source(event));
        }
    }

    fn count(&self, (): &mut (), input: Input<'_>, out: &mut Detections) {
        if let Input::Signal(signal) = input {
            out.push(signal, Self::ABOUT.level);
        }
    }
}

/// A network of addresses.
///
/// ```
/// use secmon_core::rules::Cidr;
/// let network: Cidr = "10.0.0.0/8".parse()?;
/// assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!("10.0.999.1".parse::<Cidr>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Whether the address lies in the network; IPv4 mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no network; write for instance `10.0.0.0/8`");
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, bits)| (a, Some(bits)));
        let given: IpAddr = address.parse().map_err(|_| wrong())?;
        let most: u8 = if given.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits: &str| bits.parse().map_err(|_| wrong()))?;
        if bits > most {
            return Err(wrong());
        }
        Ok(match given.to_canonical() {
            // A network of mapped addresses: the first 96 bits are the mapping.
            address @ IpAddr::V4(_) if given.is_ipv6() => {
                Self { address, bits: bits.checked_sub(96).ok_or_else(wrong)? }
            }
            address => Self { address, bits },
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Cidr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_say() {
        let holds = |network: &str, address: &str| {
            network.parse::<Cidr>().unwrap().contains(address.parse().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "203.0.113.7") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::") && !holds("2001:db8::/32", "2001:db9::"));
        assert!(holds("::ffff:10.0.0.0/104", "10.1.2.3") && holds("192.0.2.1", "192.0.2.1"));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "x", "2001:db8::/129", "::ffff:10.0.0.0/90"] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
    }
}
