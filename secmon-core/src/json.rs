//! Writes JSON as RFC 8785 demands, by hand: a record's body is hashed as it is written here. And what readers
//! of JSON look for in its bytes.

use std::fmt::{Display, Write as _};
use std::net::IpAddr;

/// The greatest integer that every JSON reader holds exactly, 2^53 − 1.
pub(crate) const SAFE: i64 = (1 << 53) - 1;

/// A word of eight bytes 1, to do the same to each byte of a word.
const ONES: u64 = u64::MAX / 0xFF;

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

/// What eight decimal digits say; none if one is no digit.
#[inline]
pub(crate) fn eight_digits(digits: [u8; 8]) -> Option<i64> {
    let word = u64::from_le_bytes(digits);
    // A digit has 3 in its upper half, and still has when 6 is added to it.
    let upper = |word: u64| word & (ONES * 0xF0) == ONES * 0x30;
    if !upper(word) || !upper(word.wrapping_add(ONES * 6)) {
        return None;
    }
    // Neighbours are joined: to two digits, to four, to eight.
    let join = |word: u64, digit: u64, mask: u64, bits: u32| {
        (word.wrapping_mul(digit) + (word >> bits)) & mask
    };
    let two = join(word & (ONES * 0xF), 10, 0x00FF_00FF_00FF_00FF, 8);
    let four = join(two, 100, 0x0000_FFFF_0000_FFFF, 16);
    i64::try_from(join(four, 10_000, 0xFFFF_FFFF, 32)).ok()
}

/// A word whose lowest high bit is that of its first byte below one. Subtracting sets it, where a byte was
/// less; a borrow can only set those of bytes above.
#[inline]
fn below(word: u64, least: u64) -> u64 {
    word.wrapping_sub(ONES * least) & !word & (ONES * 0x80)
}

/// Where the first byte stands of which a word, or the byte alone, says so.
#[inline]
fn first(bytes: &[u8], word: impl Fn(u64) -> u64, byte: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, eight) in words.iter().enumerate() {
        let found = word(u64::from_le_bytes(*eight));
        if found != 0 {
            return Some(number * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|found| byte(*found))?;
    Some(words.len() * 8 + at)
}

/// Where the first byte stands that a JSON string cannot hold as it is: `"`, `\` or a control character.
#[inline]
pub(crate) fn first_special(bytes: &[u8]) -> Option<usize> {
    let special =
        |word| below(word, 0x20) | below(word ^ (ONES * 0x22), 1) | below(word ^ (ONES * 0x5C), 1);
    first(bytes, special, |byte| byte < 0x20 || matches!(byte, b'"' | b'\\'))
}

/// Where the first quote stands.
#[inline]
pub(crate) fn first_quote(bytes: &[u8]) -> Option<usize> {
    first(bytes, |word| below(word ^ (ONES * 0x22), 1), |byte| byte == b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_are_read_at_once_and_nothing_else_is() {
        for (digits, says) in [
            (b"00000000", Some(0)),
            (b"12345678", Some(12_345_678)),
            (b"99999999", Some(99_999_999)),
            (b"00000090", Some(90)),
        ] {
            assert_eq!(eight_digits(*digits), says);
        }
        for at in 0..8 {
            for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                let mut digits = *b"90909090";
                digits[at] = byte;
                assert_eq!(eight_digits(digits), None, "{byte:#x} at {at}");
            }
        }
    }

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
