//! Base64url without padding (RFC 4648, section 5), strict: a value has one encoding, and everything else is refused.

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use base64::{Engine as _, alphabet};

/// Encodes bytes.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
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
    // The engine refuses padding and trailing bits by default, which the tests of `seal` check.
    URL_SAFE_NO_PAD.decode(text).ok()
}
