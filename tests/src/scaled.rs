//! Tests that can run with more users, streams or requests than in `cargo xtask test`.

use std::env;

/// Returns the number in the environment variable of this name. If it is unset, returns `default`.
///
/// # Panics
/// The value is not a number.
pub fn count(name: &str, default: usize) -> usize {
    match env::var(name) {
        Ok(number) => number
            .parse()
            .unwrap_or_else(|_| panic!("invalid {name}: write a number")),
        Err(_) => default,
    }
}
