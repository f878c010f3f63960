//! The error of a command.

/// The error is a message for the person at the terminal: what failed, and what to do.
pub(crate) type Result<T> = std::result::Result<T, String>;
