//! The claims of a JSON Web Token by type (RFC 7519, section 4.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bff_core::jwt;
use serde_json::{Map, Value};

use super::error::{ClaimError, JwsError};

/// A claim of type string.
///
/// # Errors
/// The claim is missing or of another type.
pub fn string<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, ClaimError> {
    claims.get(name).and_then(Value::as_str).ok_or(ClaimError(name))
}

/// A claim of type NumericDate (RFC 7519, section 2): seconds since 1970, possibly with a fraction. A float, so
/// that no date can overflow.
///
/// # Errors
/// The claim is missing or of another type.
pub fn time(claims: &Map<String, Value>, name: &'static str) -> Result<f64, ClaimError> {
    jwt::numeric_date(claims, name).ok().flatten().ok_or(ClaimError(name))
}

/// The audiences in `aud`.
///
/// # Errors
/// `aud` is missing, or neither a string nor a list of strings.
pub fn audience(claims: &Map<String, Value>) -> Result<Vec<&str>, ClaimError> {
    jwt::audiences(claims).ok_or(ClaimError("aud"))
}

/// The claims of a token from a sealed cookie, whose signature was verified earlier.
pub fn claims_of_verified(token: &str) -> Option<Map<String, Value>> {
    object(token.split('.').nth(1)?).ok()
}

/// A part of a token, parsed as a JSON object.
pub(super) fn object(part: &str) -> Result<Map<String, Value>, JwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| JwsError::Malformed)
}
