//! The CSRF value: the name of its header, and the check that the header repeats the value in the CSRF cookie of the
//! same session.

use subtle::ConstantTimeEq;

use super::current_session::CurrentSession;
use crate::cookie::purpose::Purpose;
use crate::cookie::seal::Opened;
use crate::request::values::Values;

/// Returns the name of the header that carries the CSRF value: `x-<prefix>-csrf`.
pub fn header_name(prefix: &str) -> String {
    format!("x-{prefix}-csrf")
}

/// Why a request fails the CSRF check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.details())]
pub enum CsrfError {
    /// The header is repeated.
    HeaderRepeated,
    /// The header is missing or differs from the cookie, or the cookie belongs to another session.
    Mismatch,
}

impl CsrfError {
    /// Returns the string for the log.
    pub const fn details(self) -> &'static str {
        match self {
            Self::HeaderRepeated => "repeated CSRF header",
            Self::Mismatch => "the CSRF header does not match the CSRF cookie of this session",
        }
    }
}

/// Returns the header's value; `None` if it is missing.
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

/// Compares the header's value with the cookie's, in constant time, and the cookie's session with `session`, that of
/// the request. An empty value never matches.
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
