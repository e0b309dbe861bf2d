//! Writes the bodies of records as RFC 8785 JSON without floats.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::body::MOST_BODY;
use super::claim::Claim;
use crate::event::{Event, Name};
use crate::json::{push_display, push_escaped, push_int, push_list, push_str};

/// Room for what stands around the event in a body, with numbers at their longest.
const ENVELOPE: usize = 640;

/// What the writer adds to an event to make it a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) origin: &'a str,
    pub(crate) seq: u64,
    /// Time of sealing, µs.
    pub(crate) at: i64,
    pub(crate) id: u128,
    /// The day on which it expires.
    pub(crate) expires: i64,
    pub(crate) category: &'a str,
    /// What verification needs of a record of the writer's own.
    pub(crate) claim: Option<&'a Claim>,
    /// The commitment to the raw line, where that is personal.
    pub(crate) raw: Option<&'a str>,
}

/// Appends the body of a record.
pub(crate) fn encode(envelope: &Envelope<'_>, event: &Event, out: &mut String) {
    out.push_str("{\"at\":");
    push_int(out, envelope.at);
    if let Some(Claim::Gone { block, .. }) = envelope.claim {
        out.push_str(",\"block\":");
        push_int(out, i64::try_from(*block).unwrap_or(i64::MAX));
    }
    if let Some(Claim::Box { sha256 }) = envelope.claim {
        out.push_str(",\"box\":\"");
        BASE64.encode_string(sha256, out);
        out.push('"');
    }
    if let Some(Claim::Gone { by, .. } | Claim::Held { by, .. }) = envelope.claim {
        out.push_str(",\"by\":");
        push_str(out, by);
    }
    out.push_str(",\"cat\":\"");
    push_escaped(out, envelope.category);
    out.push('"');
    if let Some(Claim::Key { epoch, .. }) = envelope.claim {
        out.push_str(",\"epoch\":");
        push_int(out, i64::try_from(*epoch).unwrap_or(i64::MAX));
    }
    if let Some(Claim::Erased { values, .. }) = envelope.claim {
        push_erased(out, values);
    }
    out.push_str(",\"ev\":");
    event.write_fields(out);
    out.push_str(",\"exp\":");
    push_int(out, envelope.expires);
    if let Some(Claim::Gone { gone, .. }) = envelope.claim {
        out.push_str(",\"gone\":\"");
        BASE64.encode_string(gone, out);
        out.push('"');
    }
    if let Some(Claim::Held { seqs, .. }) = envelope.claim {
        out.push_str(",\"held\":");
        push_seqs(out, seqs);
    }
    out.push_str(",\"id\":\"");
    push_id(out, envelope.id);
    out.push_str("\",\"lvl\":\"");
    out.push_str(event.level.as_str());
    out.push('"');
    if let Some(Claim::Key { next, .. }) = envelope.claim {
        out.push_str(",\"next\":\"");
        BASE64.encode_string(next, out);
        out.push('"');
    }
    if let Some(Claim::Listed { notes, .. }) = envelope.claim {
        out.push_str(",\"notes\":");
        push_texts(out, notes);
    }
    if let Some(Claim::Erased { of: Some(of), .. }) = envelope.claim {
        out.push_str(",\"of\":");
        push_str(out, of);
    }
    if let Some(Claim::Gone { policy, .. }) = envelope.claim {
        out.push_str(",\"policy\":");
        push_str(out, policy);
    }
    if let Some(raw) = event.raw() {
        out.push_str(",\"raw\":");
        push_str(out, raw);
    }
    if let Some(commitment) = envelope.raw {
        out.push_str(",\"raw#\":\"");
        out.push_str(commitment);
        out.push('"');
    }
    out.push_str(",\"seq\":");
    push_int(out, i64::try_from(envelope.seq).unwrap_or(i64::MAX));
    out.push_str(",\"src\":");
    event.write_sources(out);
    out.push_str(",\"st\":\"");
    push_escaped(out, envelope.origin);
    out.push_str("\",\"ts\":");
    push_int(out, event.time.timestamp_micros());
    if let Some(offset) = event.offset {
        out.push_str(",\"tz\":\"");
        push_display(out, offset);
        out.push('"');
    }
    if let Some(Claim::Held { until, .. }) = envelope.claim {
        out.push_str(",\"until\":");
        push_int(out, *until);
    }
    out.push_str(",\"v\":1");
    if let Some(Claim::Listed { vkeys, .. }) = envelope.claim {
        out.push_str(",\"vkeys\":");
        push_texts(out, vkeys);
    }
    out.push('}');
}

fn push_texts(out: &mut String, texts: &[String]) {
    push_list(out, texts, |out, text| push_str(out, text));
}

/// `{"<field>":[<index>, ...], ...}` of the values that are erased.
fn push_erased(out: &mut String, values: &BTreeMap<Name, Vec<u64>>) {
    out.push_str(",\"erased\":{");
    for (at, (field, seqs)) in values.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        field.write(out);
        out.push(':');
        push_seqs(out, seqs);
    }
    out.push('}');
}

fn push_seqs(out: &mut String, seqs: &[u64]) {
    push_list(out, seqs, |out, seq| push_int(out, i64::try_from(*seq).unwrap_or(i64::MAX)));
}

/// Whether the event fits a body whatever the envelope.
pub(crate) fn fits(event: &Event) -> bool {
    // A byte becomes six at most (`\u001b`): most events need no closer look.
    if event.heap_bytes() < (MOST_BODY - ENVELOPE) / 6 {
        return true;
    }
    let mut out = String::new();
    event.write_fields(&mut out);
    event.write_sources(&mut out);
    push_str(&mut out, event.raw().unwrap_or_default());
    out.len() + ENVELOPE <= MOST_BODY
}

/// A UUID in its usual form.
fn push_id(out: &mut String, id: u128) {
    let bytes = id.to_be_bytes();
    let mut text = [b'-'; 36];
    // Where the digits of each byte stand between the hyphens.
    let places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    for (byte, at) in bytes.into_iter().zip(places) {
        if let Some([high, low]) = text.get_mut(at..at + 2) {
            (*high, *low) = (hex_digit(byte >> 4), hex_digit(byte & 15));
        }
    }
    out.push_str(std::str::from_utf8(&text).unwrap_or_default());
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble }
}
