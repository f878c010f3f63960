//! The CSRF check: the value in the request's header is the one sealed in the cookie of the same session.

use subtle::ConstantTimeEq;

use crate::seal::{Opened, SessionId};

/// Whether the header's value equals the cookie's, compared in constant time, and the cookie belongs to `session`, the
/// session of the tokens it is used with. An empty value never matches. Version 1 tokens have no
/// session to compare; a version 1 CSRF value serves only these.
pub fn matches(header: Option<&[u8]>, cookie: &Opened, session: Option<SessionId>) -> bool {
    let same_session = match (cookie.session, session) {
        (Some(one), Some(other)) => one == other,
        // Who writes a session in version 2 writes its CSRF value in version 2. A version 1 value beside it was put there
        // by somebody else, and would undo the binding.
        (None, Some(_)) => false,
        (_, None) => true,
    };
    let same_value = header.is_some_and(|header| !header.is_empty() && bool::from(header.ct_eq(&cookie.value)));
    same_session && same_value
}
