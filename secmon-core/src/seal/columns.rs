//! Records as a store has them, with indexed copies of what their bodies say.

use super::body::Body;
use super::entry::Entry;
use super::strict::unescape;
use super::value::KeptValue;
use crate::event::{Field, fields};

/// A record as the store has it.
#[derive(Clone, Debug)]
pub struct Sealed<'a> {
    /// Its index by the store's key.
    pub seq: u64,
    /// Its body.
    pub entry: Entry<'a>,
    /// Its MAC.
    pub mac: &'a [u8],
    /// The leaf hash that was stored apart, if it is at hand.
    pub leaf: Option<[u8; 32]>,
    /// The indexed copies, if it comes from a store.
    pub columns: Option<Columns<'a>>,
    /// The personal values that are kept of it; none if nobody looked for them.
    pub values: Option<&'a [KeptValue]>,
}

/// Bytes of a text that is copied: of a longer one there is no copy, as databases index none.
pub const MOST_COPIED: usize = 255;

/// Indexed copies of a body's members. Of a text above [`MOST_COPIED`] there is none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Columns<'a> {
    /// `ts`, µs.
    pub time: i64,
    /// `exp`, days.
    pub expires: i64,
    /// `lvl`.
    pub level: &'a str,
    /// `cat`.
    pub category: &'a str,
    /// `host.name`, if it is a text; so the others.
    pub host: Option<&'a str>,
    /// `source.ip`.
    pub source_ip: Option<&'a str>,
    /// `user.name`.
    pub user: Option<&'a str>,
    /// `event.action`.
    pub action: Option<&'a str>,
    /// `event.outcome`.
    pub outcome: Option<&'a str>,
}

impl Columns<'_> {
    /// The copy of a field's text.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        match field {
            "host.name" => self.host,
            "source.ip" => self.source_ip,
            "user.name" => self.user,
            "event.action" => self.action,
            "event.outcome" => self.outcome,
            _ => None,
        }
    }
}

/// The first column that differs from the body, of a record that expires on this day. In place of personal values
/// columns hold these tokens.
pub(super) fn differing(
    body: &Body<'_>,
    columns: &Columns<'_>,
    tokens: &[(String, Option<String>)],
    expires: i64,
) -> Option<&'static str> {
    let short = |text: &&str| text.len() <= MOST_COPIED;
    let same = |a: Option<&str>, b: Option<&str>| match a {
        Some(a) if body.escaped && a.contains('\\') => {
            Some(unescape(a).as_str()).filter(short) == b
        }
        a => a.filter(short) == b,
    };
    let stands = |field: Field, said| {
        let token = tokens.iter().rev().find(|(name, _)| name == field.name());
        same(token.map_or(said, |(_, token)| token.as_deref()), columns.text(field.name()))
    };
    let checks = [
        ("ts", body.time == columns.time),
        ("expires", expires == columns.expires),
        ("level", body.level == columns.level),
        ("category", same(Some(body.category), Some(columns.category))),
        ("host", stands(fields::HOST_NAME, body.host)),
        ("source_ip", stands(fields::SOURCE_IP, body.source_ip)),
        ("user_name", stands(fields::USER_NAME, body.user)),
        ("action", stands(fields::EVENT_ACTION, body.action)),
        ("outcome", stands(fields::EVENT_OUTCOME, body.outcome)),
    ];
    checks.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
}
