//! The content of the proof: when the service received the device's signature, in seconds since 1970.

use super::FRESH_PROOF_SECONDS;

/// The content of a proof of this time, in seconds since 1970.
pub fn content(now: u64) -> [u8; 8] {
    now.to_be_bytes()
}

/// Whether the proof with this content is at most [`FRESH_PROOF_SECONDS`] old at `now` (seconds since 1970). A proof of an
/// earlier release has no content, and is not fresh. The clock of the replica that made the proof may be that much ahead.
pub fn is_fresh(content: &[u8], now: u64) -> bool {
    let made_at = content.try_into().map(u64::from_be_bytes);
    made_at.is_ok_and(|at| now.abs_diff(at) <= FRESH_PROOF_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_fresh_for_half_a_minute_and_one_without_a_time_is_not() {
        for (at, fresh) in [(969, false), (970, true), (1000, true), (1030, true), (1031, false)] {
            assert_eq!(is_fresh(&content(at), 1000), fresh, "{at}");
        }
        for other in [&b""[..], b"1000", &[0; 9]] {
            assert!(!is_fresh(other, 1000), "{other:?}");
        }
    }
}
