//! `Retry-After` (RFC 9110, section 10.2.3).

use std::time::SystemTime;

use actix_web::http::header::HttpDate;

/// Minimum and maximum for a response to a page, in seconds.
const BOUNDS_SECONDS: (u64, u64) = (1, 300);

/// The value of the header in seconds from `now`: a number of seconds, or a date. `None` if it is neither. A past date
/// is 0.
pub fn parse(value: &str, now: SystemTime) -> Option<u64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only digits: a number that overflows is a long time.
        return Some(value.parse().unwrap_or(u64::MAX));
    }
    let date: HttpDate = value.parse().ok()?;
    let wait = SystemTime::from(date).duration_since(now);
    Some(wait.map_or(0, |wait| wait.as_secs()))
}

/// The value for a response to a page: from 1 to 300 seconds.
pub fn clamp(seconds: u64) -> u16 {
    let (min, max) = BOUNDS_SECONDS;
    u16::try_from(seconds.clamp(min, max)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn seconds_and_dates_in_each_of_the_three_forms_are_understood() {
        // Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 90);
        for value in [
            "90",
            " 90 ",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(value, now), Some(90), "{value}");
        }
        assert_eq!(parse("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(0));
        assert_eq!(parse("99999999999999999999999999", now), Some(u64::MAX));
        for value in ["", " ", "soon", "-1", "+1", "1.5", "1s"] {
            assert_eq!(parse(value, now), None, "{value:?}");
        }
    }

    #[test]
    fn a_page_is_told_1_to_300_seconds() {
        assert_eq!([0, 1, 300, 301, u64::MAX].map(clamp), [1, 1, 300, 300, 300]);
    }
}
