//! The bytes that an access token may have: one rule for the service, which receives tokens from the authorization
//! server, and the gateway, which receives them from callers.

/// The maximum length of an access token in a cookie or as a bearer token, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Whether a token may contain the byte: visible ASCII, which is RFC 6749, appendix A.12 without the space. This is
/// more than `b64token` (RFC 6750, section 2.1), which the tokens of some authorization servers exceed, and still safe
/// in a header. In a form it is encoded.
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e)
}

/// [`is_token_byte`] for each byte.
#[allow(
    clippy::indexing_slicing,
    reason = "the compiler evaluates it, and would refuse an index outside of the table"
)]
const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 0x7f {
        table[byte as usize] = is_token_byte(byte);
        byte = byte.saturating_add(1);
    }
    table
};

/// Checks a token before it is put into a header or a form.
///
/// # Errors
/// The token is empty or too long, or has a byte that is not allowed. The string is for the log.
pub(crate) fn check(token: &[u8]) -> Result<(), &'static str> {
    if token.is_empty() {
        return Err("the token is empty");
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err("the token is longer than 16 KiB");
    }
    match has_only_token_bytes(token) {
        true => Ok(()),
        false => Err("the token has characters other than visible ASCII"),
    }
}

/// Whether a token may contain all of these bytes. There is no early exit. In wasm, reading the table takes a sixth of
/// the time of comparisons: the compiler does not vectorize a module that is optimized for size.
fn has_only_token_bytes(token: &[u8]) -> bool {
    let is_allowed = |byte: &u8| TOKEN_BYTES.get(usize::from(*byte)).is_some_and(|allowed| *allowed);
    token.iter().fold(true, |so_far, byte| so_far & is_allowed(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_visible_ascii_and_of_nothing_else() {
        for byte in 0..=u8::MAX {
            let legal = byte.is_ascii_graphic();
            assert_eq!(is_token_byte(byte), legal, "{byte:#x}");
            assert_eq!(check(&[b'a', byte, b'b']).is_ok(), legal, "{byte:#x}");
        }
        assert!(check(b"").is_err());
        assert!(check(&[b'a'; MAX_TOKEN_BYTES]).is_ok() && check(&[b'a'; MAX_TOKEN_BYTES + 1]).is_err());
    }
}
