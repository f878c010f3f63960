//! The CSRF value: the name of its header, and the check that the header repeats the value that is sealed in the CSRF cookie of
//! the same session.

use subtle::ConstantTimeEq;

use super::current_session::CurrentSession;
use crate::cookie::purpose::Purpose;
use crate::cookie::seal::Opened;
use crate::request::values::Values;

/// The name of the header that carries the CSRF value: `x-<prefix>-csrf`.
pub fn header_name(prefix: &str) -> String {
    format!("x-{prefix}-csrf")
}

/// Why the CSRF value of a request does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.details())]
pub enum CsrfError {
    /// The header is repeated.
    HeaderRepeated,
    /// The header is missing, or is not what the cookie holds, or the cookie is of another session.
    Mismatch,
}

impl CsrfError {
    /// For the log.
    pub const fn details(self) -> &'static str {
        match self {
            Self::HeaderRepeated => "repeated CSRF header",
            Self::Mismatch => "the CSRF header does not match the CSRF cookie of this session",
        }
    }
}

/// The value in the header; `None` where it is missing.
///
/// # Errors
/// The header is repeated.
pub fn header_value(values: Values<&[u8]>) -> Result<Option<&[u8]>, CsrfError> {
    match values {
        Values::Single(value) => Ok(Some(value)),
        Values::Absent => Ok(None),
        Values::Repeated => Err(CsrfError::HeaderRepeated),
    }
}

/// Compares the header's value with the cookie's, in constant time, and the cookie's session with `session`, which the
/// tokens are of. An empty value never matches.
///
/// # Errors
/// [`CsrfError::Mismatch`].
pub fn check(header: Option<&[u8]>, cookie: &Opened, session: &CurrentSession) -> Result<(), CsrfError> {
    let is_same_value = header.is_some_and(|value| !value.is_empty() && bool::from(value.ct_eq(&cookie.value)));
    match is_same_value && session.has(Purpose::Csrf, cookie.session) {
        true => Ok(()),
        false => Err(CsrfError::Mismatch),
    }
}
