//! Validation of the claims of an ID token (OpenID Connect Core 1.0, sections 3.1.3.7 and 12.2).
//!
//! Pure functions: the time is an argument, and the signature has been verified before.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::extra_params::IdTokenRequirements;
use super::signed_jwt::{JwtError, seconds, validate_addressee, validate_time};
use crate::jose::algorithm::Algorithm;
use crate::jose::claims::{audience, string, time};
use crate::jose::error::ClaimError;

/// The expected values for an ID token.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The configured issuer.
    pub issuer: &'a str,
    /// The client identifier.
    pub client_id: &'a str,
    /// Other audiences that `aud` may contain.
    pub trusted_audiences: &'a [String],
    /// Maximum difference between the clocks, in seconds.
    pub clock_skew: u64,
    /// The access token of the same response.
    pub access_token: &'a str,
    /// The algorithm of the signature, which determines the hash of `at_hash`.
    pub algorithm: Algorithm,
    /// The flow of the response.
    pub flow: Flow<'a>,
}

/// The flow in which an ID token was issued.
#[derive(Clone, Copy, Debug)]
pub enum Flow<'a> {
    /// A login.
    Login {
        /// `nonce` of the authorization request.
        nonce: &'a str,
        /// The requirements of the authorization request.
        requirements: &'a IdTokenRequirements,
    },
    /// A refresh.
    Refresh {
        /// The claims of the previous ID token, if any.
        previous: Option<&'a Map<String, Value>>,
    },
}

/// Why an ID token is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// The token response of a login has no ID token.
    #[error("missing in the token response: check that the authorization server issues ID tokens to this client")]
    Missing,
    /// A common rule for JWTs of the authorization server is violated, or a claim is missing or has an invalid type.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// `azp` is another client.
    #[error("`azp` is not `client.id`")]
    AuthorizedParty,
    /// `nonce` is not that of the authorization request.
    #[error("`nonce` is not that of the authorization request")]
    Nonce,
    /// `at_hash` is not the hash of the access token.
    #[error("`at_hash` does not match the access token")]
    AccessTokenHash,
    /// `auth_time` is longer ago than `max_age`.
    #[error("`auth_time` is longer ago than `max_age` allows")]
    TooLongAgo,
    /// `acr` is not one of the requested essential values.
    #[error("`acr` is not one of the requested essential values")]
    AuthenticationContext,
    /// After a refresh, this claim has changed.
    #[error("`{0}` is not what it was before the refresh")]
    Changed(&'static str),
}

impl IdTokenError {
    /// Whether the ID token of a login is valid but for the user's authentication, which is not as the login required.
    pub fn is_of_authentication(&self) -> bool {
        match self {
            IdTokenError::TooLongAgo | IdTokenError::AuthenticationContext => true,
            // Both are validated last, and only if the login requires them.
            IdTokenError::Jwt(JwtError::Claim(ClaimError(name))) => ["acr", "auth_time"].contains(name),
            IdTokenError::Jwt(_)
            | IdTokenError::Missing
            | IdTokenError::AuthorizedParty
            | IdTokenError::Nonce
            | IdTokenError::AccessTokenHash
            | IdTokenError::Changed(_) => false,
        }
    }
}

impl From<ClaimError> for IdTokenError {
    fn from(error: ClaimError) -> IdTokenError {
        IdTokenError::Jwt(error.into())
    }
}

/// Validates the claims at `now`, in seconds since 1970.
///
/// # Errors
/// The first rule that the claims violate.
pub fn validate(claims: &Map<String, Value>, expected: &Expected<'_>, now: u64) -> Result<(), IdTokenError> {
    validate_addressee(
        claims,
        (expected.issuer, expected.client_id, expected.trusted_audiences),
    )?;
    if string(claims, "sub")?.is_empty() {
        return Err(ClaimError("sub").into());
    }
    // `azp` may be absent, also with several audiences (OpenID Connect Core 1.0, errata set 2).
    if let Some(party) = claims.get("azp")
        && party.as_str() != Some(expected.client_id)
    {
        return Err(IdTokenError::AuthorizedParty);
    }
    for name in ["exp", "iat", "nbf"] {
        if name != "nbf" || claims.contains_key(name) {
            validate_time(claims, name, expected.clock_skew, now)?;
        }
    }
    if claims.contains_key("at_hash") {
        let hash = access_token_hash(expected.access_token, expected.algorithm);
        if string(claims, "at_hash")? != hash {
            return Err(IdTokenError::AccessTokenHash);
        }
    }
    match expected.flow {
        Flow::Login { nonce, requirements } => {
            if nonce.is_empty() || string(claims, "nonce")? != nonce {
                return Err(IdTokenError::Nonce);
            }
            if let Some(requested) = &requirements.acr {
                let acr = string(claims, "acr")?;
                if !requested.is_empty() && !requested.iter().any(|name| name == acr) {
                    return Err(IdTokenError::AuthenticationContext);
                }
            }
            if let Some(max_age) = requirements.max_age {
                let latest = time(claims, "auth_time")? + seconds(max_age) + seconds(expected.clock_skew);
                if latest < seconds(now) {
                    return Err(IdTokenError::TooLongAgo);
                }
            }
            Ok(())
        }
        Flow::Refresh {
            previous: Some(previous),
        } => validate_unchanged(claims, previous),
        Flow::Refresh { previous: None } => Ok(()),
    }
}

/// An ID token of a refresh must have the same user, client and issuer as the previous one.
fn validate_unchanged(claims: &Map<String, Value>, previous: &Map<String, Value>) -> Result<(), IdTokenError> {
    for name in ["iss", "sub"] {
        if claims.get(name) != previous.get(name) {
            return Err(IdTokenError::Changed(name));
        }
    }
    let sorted = |claims| {
        audience(claims).map(|mut audience: Vec<&str>| {
            audience.sort_unstable();
            audience
        })
    };
    if sorted(claims)? != sorted(previous)? {
        return Err(IdTokenError::Changed("aud"));
    }
    // `nonce` may be absent, but if it is present, it must be that of the login.
    if claims
        .get("nonce")
        .is_some_and(|nonce| previous.get("nonce") != Some(nonce))
    {
        return Err(IdTokenError::Changed("nonce"));
    }
    // `auth_time` is the time of the login, and not of the refresh.
    if let (Some(_), Some(_)) = (claims.get("auth_time"), previous.get("auth_time"))
        && time(claims, "auth_time") != time(previous, "auth_time")
    {
        return Err(IdTokenError::Changed("auth_time"));
    }
    Ok(())
}

/// `at_hash` of an access token: the left half of its hash with the hash function of the signature (OpenID Connect Core
/// 1.0, section 3.1.3.6).
pub fn access_token_hash(access_token: &str, algorithm: Algorithm) -> String {
    let digest = algorithm.hash().digest(access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2])
}
