//! `application/x-www-form-urlencoded`, as in RFC 6749, appendix B.

use zeroize::Zeroizing;

/// A client's identifier and secret, encoded and joined: what HTTP Basic encodes once more (RFC 6749, section 2.3.1).
#[must_use]
pub fn credentials(id: &[u8], secret: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut credentials = Zeroizing::new(Vec::new());
    encode(id, &mut credentials);
    credentials.push(b':');
    encode(secret, &mut credentials);
    credentials
}

/// Appends the encoded bytes to `into`. A space is `%20` and not `+`: servers that decode `+` decode `%20` as well (WHATWG URL,
/// section 5.1), and some decode only the latter.
pub(crate) fn encode(bytes: &[u8], into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| HEX.get(usize::from(nibble & 15)).copied().unwrap_or(b'0');
    for byte in bytes {
        match byte {
            byte if is_unchanged(*byte) => into.push(*byte),
            _ => into.extend_from_slice(&[b'%', digit(byte >> 4), digit(*byte)]),
        }
    }
}

/// Whether encoding changes the string. RFC 6749, section 2.3.1 has a client's identifier and secret encoded before
/// they are joined for HTTP Basic. Many authorization servers do not decode them, and refuse credentials that encoding
/// changes.
pub fn is_changed_by_encoding(text: &str) -> bool {
    !text.bytes().all(is_unchanged)
}

fn is_unchanged(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_decoded_alike_by_servers_that_take_a_plus_sign_for_a_space_and_by_others() {
        let encoded = credentials(b"a client", "a secret+:&%~ü".as_bytes());
        assert_eq!(
            String::from_utf8_lossy(&encoded),
            "a%20client:a%20secret%2B%3A%26%25%7E%C3%BC"
        );
    }

    #[test]
    fn what_encoding_changes_is_what_servers_that_do_not_decode_take_for_something_else() {
        for text in ["a secret", "a+b", "a/b", "a=", "a:b", "100%", "ü", "~"] {
            let mut encoded = Vec::new();
            encode(text.as_bytes(), &mut encoded);
            assert!(is_changed_by_encoding(text) && encoded != text.as_bytes(), "{text}");
        }
        for text in ["", "abcXYZ019", "a-b_c.d*e"] {
            let mut encoded = Vec::new();
            encode(text.as_bytes(), &mut encoded);
            assert!(!is_changed_by_encoding(text) && encoded == text.as_bytes(), "{text}");
        }
    }
}
