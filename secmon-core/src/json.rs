//! Writes JSON as RFC 8785 demands, by hand: a record's body is hashed as it is written here.

use std::fmt::{Display, Write as _};
use std::net::IpAddr;

/// The greatest integer that every JSON reader holds exactly, 2^53 − 1.
pub(crate) const SAFE: i64 = (1 << 53) - 1;

/// Whether a JSON number can carry the integer without loss.
pub(crate) fn is_safe(value: i64) -> bool {
    (-SAFE..=SAFE).contains(&value)
}

/// Appends an integer.
pub(crate) fn push_int(out: &mut String, value: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        if let (Some(digit), Ok(last)) = (digits.get_mut(at), u8::try_from(rest % 10)) {
            *digit = b'0' + last;
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    let digits = digits.get(at..).map(std::str::from_utf8);
    out.push_str(digits.and_then(Result::ok).unwrap_or_default());
}

/// Appends an address.
pub(crate) fn push_ip(out: &mut String, address: IpAddr) {
    // The formatter of the standard library takes far longer, and this is done for each record.
    let IpAddr::V4(address) = address else { return push_display(out, address) };
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            out.push('.');
        }
        push_int(out, octet.into());
    }
}

/// Appends an array; how each item is written is given.
pub(crate) fn push_list<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    push: impl Fn(&mut String, T),
) {
    out.push('[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(']');
}

/// Appends what a value displays, unescaped.
pub(crate) fn push_display(out: &mut String, value: impl Display) {
    // A String never refuses a write.
    let _ = write!(out, "{value}");
}

/// Appends a string in quotes, escaped as RFC 8785 section 3.2.2.2 says.
pub(crate) fn push_str(out: &mut String, text: &str) {
    out.push('"');
    push_escaped(out, text);
    out.push('"');
}

/// Appends a string escaped, without quotes.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = first_special(rest.as_bytes())
        && let Some((clean, special)) = rest.split_at_checked(at)
    {
        out.push_str(clean);
        let Some(byte) = special.bytes().next() else { break };
        rest = special.get(1..).unwrap_or_default();
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x09 => out.push_str("\\t"),
            0x0A => out.push_str("\\n"),
            0x0C => out.push_str("\\f"),
            0x0D => out.push_str("\\r"),
            control => push_display(out, format_args!("\\u{control:04x}")),
        }
    }
    out.push_str(rest);
}

/// Where the first byte stands that a JSON string cannot hold as it is: `"`, `\` or a control character.
#[inline]
pub(crate) fn first_special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xFF;
    const HIGH: u64 = ONES * 0x80;
    // Eight bytes at a time: subtracting 1 from each sets the high bit where a byte was 0, subtracting
    // 0x20 where it was less. A borrow can only set bits above a byte that was found: the lowest is true.
    let below = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word;
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = below(word ^ (ONES * 0x22), 1) | below(word ^ (ONES * 0x5C), 1);
        let found = (below(word, 0x20) | quotes) & HIGH;
        if found != 0 {
            return Some(number * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))?;
    Some(words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_strings_are_canonical() {
        let mut out = String::new();
        for value in [0, 7, -1, i64::MAX, i64::MIN] {
            push_int(&mut out, value);
            out.push(' ');
        }
        assert_eq!(out, "0 7 -1 9223372036854775807 -9223372036854775808 ");
        for address in ["203.0.113.7", "0.10.100.255", "2001:db8::1", "::ffff:1.2.3.4"] {
            out.clear();
            push_ip(&mut out, address.parse().unwrap());
            assert_eq!(out, address);
        }
        for special in [0, 0x1F, b'"', b'\\'] {
            for at in 0..20 {
                let mut bytes = [b'\x7f'; 20];
                assert_eq!(first_special(&bytes), None);
                bytes[at] = special;
                assert_eq!(first_special(&bytes), Some(at));
            }
        }
        assert_eq!(first_special("\u{20AC}\u{FB33} !#[]~".as_bytes()), None);
        out.clear();
        push_str(&mut out, "a\"\\\u{8}\t\n\u{c}\r\u{1b}\u{7f}é\u{2028}😀");
        assert_eq!(out, "\"a\\\"\\\\\\b\\t\\n\\f\\r\\u001b\u{7f}é\u{2028}😀\"");
    }
}
