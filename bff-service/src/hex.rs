//! Bytes as lower-case hexadecimal digits.

/// Two digits for each byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    push(&mut text, bytes);
    text
}

/// Appends the digits: where `text` has room for them, no copy of it stays behind in memory.
pub(crate) fn push(text: &mut String, bytes: &[u8]) {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0x0f));
    }
}
