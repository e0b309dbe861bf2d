//! Records as a store has them, with indexed copies of what their bodies say.

use super::body::Body;
use super::strict::unescape;
use super::value::KeptValue;

/// A record as the store has it.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    /// Its index by the store's key.
    pub seq: u64,
    /// Its body.
    pub body: &'a [u8],
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

/// The first column that differs from the body.
pub(super) fn differing(body: &Body<'_>, columns: &Columns<'_>) -> Option<&'static str> {
    let short = |text: &&str| text.len() <= MOST_COPIED;
    let same = |a: Option<&str>, b: Option<&str>| match a {
        Some(a) if body.escaped && a.contains('\\') => {
            Some(unescape(a).as_str()).filter(short) == b
        }
        a => a.filter(short) == b,
    };
    let checks = [
        ("ts", body.time == columns.time),
        ("expires", body.expires == columns.expires),
        ("level", body.level == columns.level),
        ("category", same(Some(body.category), Some(columns.category))),
        ("host", same(body.host, columns.host)),
        ("source_ip", same(body.source_ip, columns.source_ip)),
        ("user_name", same(body.user, columns.user)),
        ("action", same(body.action, columns.action)),
        ("outcome", same(body.outcome, columns.outcome)),
    ];
    checks.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
}

/// The body with the tokens that stand in columns for its personal values.
pub(super) fn with_tokens<'t>(
    mut body: Body<'t>,
    tokens: Option<&'t [(String, Option<String>)]>,
) -> Body<'t> {
    for (field, token) in tokens.unwrap_or_default() {
        let column = match field.as_str() {
            "host.name" => &mut body.host,
            "source.ip" => &mut body.source_ip,
            "user.name" => &mut body.user,
            "event.action" => &mut body.action,
            "event.outcome" => &mut body.outcome,
            _ => continue,
        };
        *column = token.as_deref();
    }
    body
}
