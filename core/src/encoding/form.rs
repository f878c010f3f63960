//! `application/x-www-form-urlencoded`, as in RFC 6749, appendix B.

/// Appends the encoded bytes to `into`.
pub(crate) fn encode(bytes: &[u8], into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| HEX.get(usize::from(nibble & 15)).copied().unwrap_or(b'0');
    for byte in bytes {
        match byte {
            byte if stands_for_itself(*byte) => into.push(*byte),
            b' ' => into.push(b'+'),
            _ => into.extend_from_slice(&[b'%', digit(byte >> 4), digit(*byte)]),
        }
    }
}

/// Whether encoding changes the text. RFC 6749, section 2.3.1 has a client's identifier and secret encoded before they
/// are joined for HTTP Basic. Many servers do not decode them, so there credentials that encoding changes are refused.
pub fn is_changed_by_encoding(text: &str) -> bool {
    !text.bytes().all(stands_for_itself)
}

fn stands_for_itself(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

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
