//! The clock. Code with rules about time takes the time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970. A clock before 1970 yields 0: every ID token and logout token is then not yet valid, and
/// refused.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
