//! Base64url without padding (RFC 4648, section 5), strict: a value has one encoding, and everything else is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes bytes.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes text; `None` for a character outside the alphabet, padding, trailing bits or an impossible length.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    // The engine refuses padding and trailing bits by default, which the tests of `seal` check.
    URL_SAFE_NO_PAD.decode(text).ok()
}
