//! The error of a command.

/// The error is a message for the person at the terminal.
pub(crate) type Result<T> = std::result::Result<T, String>;
