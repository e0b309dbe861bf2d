//! How texts look in other encodings, as programs hide them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The bytes of a text in UTF-16, each unit written in one order of bytes.
pub(super) fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

/// How a text looks inside of Base64, wherever it begins: without the characters at both ends that
/// depend on what stands beside it.
pub(super) fn base64_offsets(bytes: &[u8]) -> Vec<String> {
    let shifted = |shift: usize| {
        let mut padded = vec![0; shift];
        padded.extend_from_slice(bytes);
        let encoded = STANDARD.encode(&padded);
        let start = (shift * 8).div_ceil(6);
        let end = padded.len() * 8 / 6;
        encoded.get(start..end).unwrap_or_default().to_owned()
    };
    // Of a single byte, no letter is sure at one of the places: nothing would be found everywhere.
    (0..3).map(shifted).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_base64_is_trimmed_at_both_ends() {
        assert_eq!(base64_offsets(b"foobar"), ["Zm9vYmFy", "Zvb2Jhc", "mb29iYX"]);
    }
}
