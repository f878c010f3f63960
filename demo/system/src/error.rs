//! Errors for the person at the terminal.

use std::fmt;

/// Why the system could not be started or changed. `Display` says what to do about it, and never contains a secret. `Debug` is
/// the same text, so that a log in it stays readable after a failed `expect`.
pub struct Error(String);

impl Error {
    /// What happened, to what, and what to do, without a full stop.
    pub(crate) fn new(message: impl Into<String>) -> Error {
        Error(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// For programs that print the error and exit.
impl From<Error> for String {
    fn from(error: Error) -> String {
        error.0
    }
}
