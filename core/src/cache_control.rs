//! How long an answer may be kept: `Cache-Control` (RFC 9111, 5.2.2).

/// The seconds that these lines allow; `u64::MAX` without a word on it. Of several words the strictest counts.
pub fn lifetime<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut seconds = u64::MAX;
    for directive in lines.into_iter().flat_map(|line| line.split(|byte| *byte == b',')) {
        let directive = directive.trim_ascii().to_ascii_lowercase();
        if matches!(directive.as_slice(), b"no-store" | b"no-cache") {
            return 0;
        }
        if let Some(value) = directive.strip_prefix(b"max-age=") {
            let value = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""))
                .unwrap_or(value);
            // A value that cannot be read is stale (RFC 9111, 4.2.1).
            let value = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
            seconds = seconds.min(value);
        }
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::lifetime;

    #[test]
    fn the_strictest_of_what_is_said_counts() {
        let of = |lines: &[&str]| lifetime(lines.iter().map(|line| line.as_bytes()));
        assert_eq!(of(&["public, max-age=600"]), 600);
        assert_eq!(of(&["max-age=\"60\", MAX-AGE=30"]), 30);
        assert_eq!(of(&["max-age=600, no-store"]), 0);
        assert_eq!(of(&["No-Cache"]), 0);
        assert_eq!(of(&["private", "max-age=600", "no-store"]), 0);
        assert_eq!(of(&["public, max-age=soon"]), 0);
        assert_eq!((of(&[]), of(&["private"])), (u64::MAX, u64::MAX));
    }
}
