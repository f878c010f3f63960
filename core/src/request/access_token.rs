//! The bytes that an access token may have: one rule for the service, which receives tokens from the authorization
//! server, and the gateway, which receives them from callers and by token exchange.

/// The maximum length of an access token in a cookie, as a bearer token or from a token exchange, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Whether a token may contain the byte: visible ASCII, which is RFC 6749, appendix A.12 without the space. This is
/// more than `b64token` (RFC 6750, section 2.1), which the tokens of some authorization servers exceed, and still safe
/// in a header. In a form it is encoded.
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e)
}

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

/// Whether a token may contain all of these bytes. Eight at a time, as one number, since cookies have long tokens: the
/// high bit of a byte of `outside` is set if the token may not contain that byte.
fn has_only_token_bytes(token: &[u8]) -> bool {
    const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);
    const TO_HIGH_BIT_FROM_0X21: u64 = u64::from_ne_bytes([0x80 - 0x21; 8]);
    const TO_HIGH_BIT_FROM_0X7F: u64 = u64::from_ne_bytes([0x80 - 0x7f; 8]);
    let (eights, rest) = token.as_chunks::<8>();
    let outside = eights.iter().fold(0, |outside, eight| {
        let bytes = u64::from_ne_bytes(*eight);
        // A byte that is not ASCII carries into the next one, but its own high bit stays set.
        let below = !bytes.wrapping_add(TO_HIGH_BIT_FROM_0X21);
        let above = bytes.wrapping_add(TO_HIGH_BIT_FROM_0X7F);
        outside | bytes | below | above
    });
    outside & HIGH_BITS == 0 && rest.iter().all(|byte| is_token_byte(*byte))
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
            for other in [0x21, b'a', 0x7e] {
                for at in 0..20 {
                    let mut token = [other; 20];
                    token[at] = byte;
                    assert_eq!(check(&token).is_ok(), legal, "{byte:#x} at {at} among {other:#x}");
                }
            }
        }
        assert!(check(b"").is_err());
        assert!(check(&[b'a'; MAX_TOKEN_BYTES]).is_ok() && check(&[b'a'; MAX_TOKEN_BYTES + 1]).is_err());
    }
}
