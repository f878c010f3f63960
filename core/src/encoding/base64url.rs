//! Base64url without padding (RFC 4648, section 5). [`decode`] is strict: a value has one encoding, and everything else is
//! refused.

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{self, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};

/// The engine that uses the machine's vector instructions if it has them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static ENGINE: std::sync::LazyLock<base64::engine::Simd> =
    std::sync::LazyLock::new(|| base64::engine::Simd::url_safe(general_purpose::NO_PAD));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static ENGINE: GeneralPurpose = general_purpose::URL_SAFE_NO_PAD;

/// Encodes bytes.
pub fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

/// Decodes text as the most lenient decoders do: accepts both alphabets, and ignores padding, trailing bits and any other
/// character. Only to see what another program may read, never for a value that is used.
pub(crate) fn decode_leniently(text: &[u8]) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    let mut digits: Vec<u8> = text
        .iter()
        .filter_map(|byte| match byte {
            b'+' => Some(b'-'),
            b'/' => Some(b'_'),
            b'-' | b'_' => Some(*byte),
            byte => byte.is_ascii_alphanumeric().then_some(*byte),
        })
        .collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    LENIENT.decode(&digits).unwrap_or_default()
}

/// Decodes text; `None` for a character outside the alphabet, padding, trailing bits or an impossible length.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    // The engine refuses padding and trailing bits by default, which `tests/sealing.rs` checks.
    let decoded = ENGINE.decode(text).ok();
    #[cfg(fuzzing)]
    assert_eq!(
        decoded,
        general_purpose::URL_SAFE_NO_PAD.decode(text).ok(),
        "the engines differ"
    );
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use general_purpose::URL_SAFE_NO_PAD;

    /// As public reports of other decoders ask: otherwise one value has several names.
    #[test]
    fn the_unused_bits_of_the_last_character_are_zero() {
        const CANONICAL: &[u8] = b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(decode(CANONICAL).is_some());
        assert_eq!(decode(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"), None);
        for len in 1..200 {
            let bytes = vec![0xa5; len];
            let text = encode(&bytes);
            for last in alphabet::URL_SAFE.as_str().bytes() {
                let altered = [&text.as_bytes()[..text.len() - 1], &[last]].concat();
                let is_same = decode(&altered).is_some_and(|decoded| decoded == bytes);
                assert_eq!(is_same, altered == text.as_bytes(), "{len} {last}");
            }
        }
        // A character of padding inside ends nothing.
        assert_eq!(decode(&[CANONICAL, b"=", CANONICAL].concat()), None);
    }

    #[test]
    fn both_engines_write_the_same_and_refuse_the_same() {
        for len in 0..200 {
            let bytes: Vec<u8> = (0..len).map(|at: usize| (at * 151 % 256) as u8).collect();
            let text = encode(&bytes);
            assert_eq!(text, URL_SAFE_NO_PAD.encode(&bytes));
            assert_eq!(decode(text.as_bytes()), Some(bytes));
            for at in 0..text.len() {
                for other in [b'=', b'+', b'/', b' ', 0, 0x80, 0xff, b'-', b'_', b'B'] {
                    let mut altered = text.clone().into_bytes();
                    altered[at] = other;
                    assert_eq!(decode(&altered), URL_SAFE_NO_PAD.decode(&altered).ok(), "{altered:?}");
                }
            }
        }
    }
}
