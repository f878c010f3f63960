//! The CSRF check: the value in the request's header is the one sealed in the cookie of the same session.

use subtle::ConstantTimeEq;

use crate::cookie::seal::{Opened, Purpose};
use crate::session::current_session::CurrentSession;

/// Whether the header's value equals the cookie's, compared in constant time, and the cookie belongs to `session`, the
/// session of the tokens it is used with. An empty value never matches.
pub fn matches(header: Option<&[u8]>, cookie: &Opened, session: &CurrentSession) -> bool {
    let same_value = header.is_some_and(|header| !header.is_empty() && bool::from(header.ct_eq(&cookie.value)));
    same_value && session.has(Purpose::Csrf, cookie.session)
}
