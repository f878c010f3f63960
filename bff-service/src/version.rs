//! Which build this is.

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that was built, from the variable `BFF_COMMIT` of the build; `unknown` if it was empty or not set.
pub const COMMIT: &str = match option_env!("BFF_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    _ => "unknown",
};
