//! The time of day, read in one place so that everything else can take it as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the UNIX epoch. A clock set before 1970 reads as 0: every token is then not yet valid, and none is
/// accepted.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
