//! How long and by whom a response may be cached: `Cache-Control` (RFC 9111, section 5.2.2).

/// Returns the seconds for which these lines allow caching; `u64::MAX` without a limit. The strictest directive counts.
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
            // An invalid value counts as stale (RFC 9111, section 4.2.1).
            let value = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
            seconds = seconds.min(value);
        }
    }
    seconds
}

/// Whether these `Cache-Control` lines leave open who may cache the response. A shared cache may serve such a response
/// to everybody, unless the request has `Authorization` (RFC 9111, section 3.5): a cookie does not count there. `no-cache`
/// does not forbid caching, and `private` with header names restricts only those headers.
pub fn is_for_anybody<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut directives = lines.into_iter().flat_map(|line| line.split(|byte| *byte == b','));
    !directives.any(|directive| {
        let name = directive
            .split(|byte| *byte == b'=')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let is_whole = !directive.contains(&b'=');
        is("public") || is("s-maxage") || is("no-store") || is_whole && is("private")
    })
}

#[cfg(test)]
mod tests {
    use super::{is_for_anybody, lifetime};

    #[test]
    fn an_answer_is_for_anybody_unless_its_lines_say_who_may_keep_it() {
        let of = |lines: &[&str]| is_for_anybody(lines.iter().map(|line| line.as_bytes()));
        for open in [
            &[][..],
            &[""],
            &["max-age=60"],
            &["no-cache"],
            &["max-age=60, must-revalidate"],
            &["max-age=60", "immutable"],
            &["private=\"set-cookie\", max-age=60"],
            &["x-public, publicly"],
        ] {
            assert!(of(open), "{open:?}");
        }
        for said in [
            &["public"][..],
            &["max-age=60", "Public"],
            &["S-MaxAge=60"],
            &["no-cache,no-store"],
            &[" private , max-age=60"],
            &["max-age=60", "no-store"],
        ] {
            assert!(!of(said), "{said:?}");
        }
    }

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
