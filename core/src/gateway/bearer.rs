//! The bearer token of a request (RFC 6750, section 2.1). Access tokens in the query or in a form are ignored.

use zeroize::Zeroizing;

use super::error_code::ErrorCode;
use super::rejection::Rejection;
use crate::request::access_token;
use crate::request::head::RequestHead;
use crate::request::values::Values;

/// Returns the token of `Authorization: Bearer`.
pub(crate) fn token(head: &RequestHead) -> Result<Zeroizing<Vec<u8>>, Rejection> {
    let unauthorized = |details| Rejection::new(ErrorCode::BearerUnauthorized, details);
    let value = match head.one("authorization") {
        Values::Single(value) => value,
        Values::Absent => return Err(unauthorized("missing bearer token")),
        Values::Repeated => return Err(Rejection::malformed("repeated Authorization header")),
    };
    let is_bearer = |(scheme, rest): &(&[u8], &[u8])| {
        scheme.eq_ignore_ascii_case(b"bearer") && rest.first().is_none_or(|byte| *byte == b' ')
    };
    let (_, token) = value
        .split_at_checked(6)
        .filter(is_bearer)
        .ok_or_else(|| unauthorized("the Authorization scheme is not Bearer"))?;
    let token = token.trim_ascii_start();
    access_token::check(token).map_err(Rejection::malformed)?;
    Ok(Zeroizing::new(token.to_vec()))
}

/// Returns the header that carries a token to the API.
pub(crate) fn header(token: &[u8]) -> (String, Vec<u8>) {
    ("authorization".to_owned(), [b"Bearer ", token].concat())
}
