//! The common rules for JWTs that the authorization server signs for this client: ID tokens, which have [more
//! rules](super::id_token), signed userinfo responses, signed authorization responses (JARM) and logout tokens.
//!
//! All are signed with one of `authorization_server.id_token_algorithms`, by a key of the authorization server's JWKS.
//! Pure functions: the time is an argument, and the signature has been verified before.

use serde_json::{Map, Value};

use crate::jose::claims::{audience, string, time};
use crate::jose::error::{ClaimError, JwsError, shown};

/// The accepted `typ` of a JWT whose kind has no registered type, in lower case.
pub const TYPES: [&str; 1] = ["jwt"];

/// Why a JWT of the authorization server is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// The form or the signature is invalid.
    #[error(transparent)]
    Signature(#[from] JwsError),
    /// A claim is missing or has an invalid type.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// `iss` is another issuer.
    #[error("`iss` is not `authorization_server.issuer`")]
    Issuer,
    /// `aud`, escaped for the log, does not contain this client.
    #[error("`aud` is `{0}`, without `client.id`")]
    Audience(String),
    /// `aud` contains this audience, which is not trusted.
    #[error("`aud` contains `{0}`, which is neither `client.id` nor in `client.trusted_audiences`")]
    UntrustedAudience(String),
    /// `exp` has passed.
    #[error("`exp` has passed")]
    Expired,
    /// `iat` or `nbf` is in the future.
    #[error("`iat` or `nbf` is in the future: compare the clocks of this machine and of the authorization server")]
    NotYetValid,
}

/// The expected issuer and audience of a JWT: the issuer, the client identifier, and further trusted audiences.
pub type Addressee<'a> = (&'a str, &'a str, &'a [String]);

/// The common rules at `now`, in seconds since 1970. `clock_skew` is in seconds. Times may be absent.
///
/// # Errors
/// The first rule that the claims violate.
pub fn validate_addressed(
    claims: &Map<String, Value>,
    addressee: Addressee<'_>,
    clock_skew: u64,
    now: u64,
) -> Result<(), JwtError> {
    validate_addressee(claims, addressee)?;
    for name in ["exp", "iat", "nbf"] {
        if claims.contains_key(name) {
            validate_time(claims, name, clock_skew, now)?;
        }
    }
    Ok(())
}

/// `iss` must be the issuer. `aud` must contain this client, and otherwise only trusted audiences.
pub(super) fn validate_addressee(
    claims: &Map<String, Value>,
    (issuer, client_id, trusted_audiences): Addressee<'_>,
) -> Result<(), JwtError> {
    if string(claims, "iss")? != issuer {
        return Err(JwtError::Issuer);
    }
    let audience = audience(claims)?;
    if !audience.contains(&client_id) {
        return Err(JwtError::Audience(shown(&audience.join(", "))));
    }
    let is_trusted = |other: &str| other == client_id || trusted_audiences.iter().any(|id| id == other);
    match audience.into_iter().find(|other| !is_trusted(other)) {
        Some(other) => Err(JwtError::UntrustedAudience(shown(other))),
        None => Ok(()),
    }
}

/// `exp` must be in the future, and other times must not. Clocks may differ by `clock_skew` seconds.
pub(super) fn validate_time(
    claims: &Map<String, Value>,
    name: &'static str,
    clock_skew: u64,
    now: u64,
) -> Result<(), JwtError> {
    let (time, now, skew) = (time(claims, name)?, seconds(now), seconds(clock_skew));
    match name {
        "exp" if time + skew <= now => Err(JwtError::Expired),
        "exp" => Ok(()),
        _ if time > now + skew => Err(JwtError::NotYetValid),
        _ => Ok(()),
    }
}

/// A number of seconds for comparison with a NumericDate. Exact for the next 285 million years.
pub(super) fn seconds(value: u64) -> f64 {
    value as f64
}
