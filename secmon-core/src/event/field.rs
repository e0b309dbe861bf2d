//! Names of fields: ECS names known to the crate are numbers, all others are text.

use std::cmp::Ordering;
use std::fmt;

/// A field name that the crate knows, cheap to copy and to compare.
///
/// ```
/// use secmon_core::fields;
/// assert_eq!(fields::SOURCE_IP.name(), "source.ip");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Field(u16);

impl Field {
    /// The field of this name, if the crate knows it.
    pub fn known(name: &str) -> Option<Self> {
        let at = KNOWN.binary_search(&name).ok()?;
        u16::try_from(at).ok().map(Self)
    }

    /// Its ECS name.
    pub fn name(self) -> &'static str {
        KNOWN.get(usize::from(self.0)).copied().unwrap_or_default()
    }
}

/// Any field name, ordered as RFC 8785 orders keys (by UTF-16 code units).
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Name(Repr);

#[derive(Clone, Eq, Hash, PartialEq)]
enum Repr {
    Known(Field),
    Other(Box<str>),
}

impl Name {
    /// Its text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Known(field) => field.name(),
            Repr::Other(name) => name,
        }
    }

    /// Appends it as a JSON string.
    pub(crate) fn write(&self, out: &mut String) {
        match &self.0 {
            // Known names have nothing to escape.
            Repr::Known(field) => {
                out.push('"');
                out.push_str(field.name());
                out.push('"');
            }
            Repr::Other(name) => crate::json::push_str(out, name),
        }
    }

    /// Bytes on the heap, for budgets.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Known(_) => 0,
            Repr::Other(name) => name.len(),
        }
    }

    /// Whether it is this known field.
    #[inline]
    pub fn is(&self, field: Field) -> bool {
        matches!(&self.0, Repr::Known(known) if *known == field)
    }
}

impl From<Field> for Name {
    fn from(field: Field) -> Self {
        Self(Repr::Known(field))
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(Field::known(name).map_or_else(|| Repr::Other(name.into()), Repr::Known))
    }
}

impl Ord for Name {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Known(a), Repr::Known(b)) => a.0.cmp(&b.0),
            _ => cmp_utf16(self.as_str(), other.as_str()),
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self::from(&*name))
    }
}

/// Compares as UTF-16 code units would (RFC 8785 section 3.2.3), without converting: the orders differ
/// only where a character beyond U+FFFF meets one of U+E000 to U+FFFF.
pub(crate) fn cmp_utf16(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    for (x, y) in a.iter().zip(b) {
        if x != y {
            let order = x.cmp(y);
            let swapped = (*x >= 0xF0) != (*y >= 0xF0) && *x >= 0xEE && *y >= 0xEE;
            return if swapped { order.reverse() } else { order };
        }
    }
    a.len().cmp(&b.len())
}

macro_rules! known {
    ($($constant:ident = $name:literal),* $(,)?) => {
        #[expect(clippy::upper_case_acronyms, non_camel_case_types, reason = "counts the constants below")]
        #[repr(u16)]
        enum Number { $($constant),* }
        const KNOWN: &[&str] = &[$($name),*];
        /// The ECS names that the crate knows, as constants.
        pub mod fields {
            use super::{Field, Number};
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: Field = Field(Number::$constant as u16);
            )*
        }
    };
}

// Sorted by name: `Field::known` searches it, and the order of numbers must be the order of names.
known! {
    DESTINATION_ADDRESS = "destination.address",
    DESTINATION_DOMAIN = "destination.domain",
    DESTINATION_IP = "destination.ip",
    DESTINATION_MAC = "destination.mac",
    DESTINATION_PORT = "destination.port",
    ERROR_MESSAGE = "error.message",
    EVENT_ACTION = "event.action",
    EVENT_CATEGORY = "event.category",
    EVENT_CODE = "event.code",
    EVENT_HASH = "event.hash",
    EVENT_KIND = "event.kind",
    EVENT_MODULE = "event.module",
    EVENT_ORIGINAL_LENGTH = "event.original.length",
    EVENT_OUTCOME = "event.outcome",
    EVENT_PROVIDER = "event.provider",
    EVENT_REASON = "event.reason",
    EVENT_TYPE = "event.type",
    GROUP_ID = "group.id",
    GROUP_NAME = "group.name",
    HOST_CPU_USAGE = "host.cpu.usage",
    HOST_ID = "host.id",
    HOST_NAME = "host.name",
    HTTP_REQUEST_METHOD = "http.request.method",
    HTTP_REQUEST_REFERRER = "http.request.referrer",
    HTTP_RESPONSE_BODY_BYTES = "http.response.body.bytes",
    HTTP_RESPONSE_STATUS_CODE = "http.response.status_code",
    HTTP_VERSION = "http.version",
    IPTABLES_TCP_FLAGS = "iptables.tcp.flags",
    LOG_LEVEL = "log.level",
    LOG_SYSLOG_APPNAME = "log.syslog.appname",
    LOG_SYSLOG_FACILITY_CODE = "log.syslog.facility.code",
    LOG_SYSLOG_FACILITY_NAME = "log.syslog.facility.name",
    LOG_SYSLOG_MSGID = "log.syslog.msgid",
    LOG_SYSLOG_PRIORITY = "log.syslog.priority",
    LOG_SYSLOG_SEVERITY_CODE = "log.syslog.severity.code",
    LOG_SYSLOG_SEVERITY_NAME = "log.syslog.severity.name",
    LOG_SYSLOG_VERSION = "log.syslog.version",
    MESSAGE = "message",
    NETWORK_BYTES = "network.bytes",
    NETWORK_PROTOCOL = "network.protocol",
    NETWORK_TRANSPORT = "network.transport",
    OBSERVER_EGRESS_INTERFACE_NAME = "observer.egress.interface.name",
    OBSERVER_INGRESS_INTERFACE_NAME = "observer.ingress.interface.name",
    PROCESS_COMMAND_LINE = "process.command_line",
    PROCESS_NAME = "process.name",
    PROCESS_PID = "process.pid",
    PROCESS_WORKING_DIRECTORY = "process.working_directory",
    RULE_NAME = "rule.name",
    SECMON_REPEAT = "secmon.repeat",
    SOURCE_ADDRESS = "source.address",
    SOURCE_DOMAIN = "source.domain",
    SOURCE_IP = "source.ip",
    SOURCE_MAC = "source.mac",
    SOURCE_PORT = "source.port",
    SSH_EVENT = "system.auth.ssh.event",
    SSH_METHOD = "system.auth.ssh.method",
    SSH_SIGNATURE = "system.auth.ssh.signature",
    SUDO_ERROR = "system.auth.sudo.error",
    SUDO_TTY = "system.auth.sudo.tty",
    DISK_USED_PCT = "system.filesystem.used.pct",
    MEMORY_USED_PCT = "system.memory.used.pct",
    SYSTEM_USERS = "system.users.names",
    URL_ORIGINAL = "url.original",
    URL_PATH = "url.path",
    URL_QUERY = "url.query",
    USER_EFFECTIVE_NAME = "user.effective.name",
    USER_GROUP_ID = "user.group.id",
    USER_GROUP_NAME = "user.group.name",
    USER_ID = "user.id",
    USER_NAME = "user.name",
    USER_TARGET_NAME = "user.target.name",
    USER_AGENT_ORIGINAL = "user_agent.original",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_sorted_and_found() {
        assert!(KNOWN.is_sorted_by(|a, b| cmp_utf16(a, b).is_lt()));
        for name in KNOWN {
            assert_eq!(Field::known(name).map(Field::name), Some(*name));
        }
    }

    #[test]
    fn order_is_that_of_utf16() {
        let mut names = ["a", "\u{1F600}", "\u{FB33}", "\u{80}", "1", "\r", "\u{20AC}", "\u{F6}"];
        names.sort_by(|a, b| cmp_utf16(a, b));
        let mut expected = names;
        expected.sort_by_key(|name| name.encode_utf16().collect::<Vec<_>>());
        assert_eq!(names, expected);
    }
}
