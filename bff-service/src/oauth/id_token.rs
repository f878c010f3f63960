//! What the claims of an ID token must be: OpenID Connect Core 1.0, sections 3.1.3.7 and 12.2.
//!
//! Pure: the time is an argument, and the signature has been verified before.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::extra_params::IdTokenRequirements;
use super::signed_jwt::{JwtError, seconds, validate_addressee, validate_time};
use crate::jose::algorithm::Algorithm;
use crate::jose::claims::{audience, text, time};
use crate::jose::error::ClaimError;

/// What a token is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The configured issuer.
    pub issuer: &'a str,
    /// This client's id.
    pub client_id: &'a str,
    /// Who else may be in `aud`.
    pub trusted_audiences: &'a [String],
    /// How far clocks may differ, in seconds.
    pub clock_skew: u64,
    /// The access token that came with it.
    pub access_token: &'a str,
    /// The algorithm of its signature: it names the hash of `at_hash`.
    pub algorithm: Algorithm,
    /// What it answers.
    pub flow: Flow<'a>,
}

/// What an ID token came for.
#[derive(Clone, Copy, Debug)]
pub enum Flow<'a> {
    /// The user signed in.
    Login {
        /// `nonce` of the authorization request.
        nonce: &'a str,
        /// What the authorization request demanded.
        requirements: &'a IdTokenRequirements,
    },
    /// A refresh, with the claims of the token from before where there was one.
    Refresh {
        /// Those claims.
        previous: Option<&'a Map<String, Value>>,
    },
}

/// Why an ID token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// The token response to a login holds none.
    #[error("missing in the token response")]
    Missing,
    /// A rule for every JWT of the authorization server.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// `azp` is there, and is another client.
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
    /// `acr` is none of those that were asked for as essential.
    #[error("`acr` is not one of the requested essential values")]
    AuthenticationContext,
    /// After a refresh, this claim is not what it was before.
    #[error("`{0}` is not what it was before the refresh")]
    Changed(&'static str),
}

impl From<ClaimError> for IdTokenError {
    fn from(error: ClaimError) -> IdTokenError {
        IdTokenError::Jwt(error.into())
    }
}

/// Judges the claims of a token at `now`, in UNIX seconds.
pub fn validate(claims: &Map<String, Value>, expected: &Expected<'_>, now: u64) -> Result<(), IdTokenError> {
    validate_addressee(
        claims,
        (expected.issuer, expected.client_id, expected.trusted_audiences),
    )?;
    if text(claims, "sub")?.is_empty() {
        return Err(ClaimError("sub").into());
    }
    // Only where it is there: nothing says that several audiences need one (OpenID Connect Core, errata set 2).
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
        if text(claims, "at_hash")? != hash {
            return Err(IdTokenError::AccessTokenHash);
        }
    }
    match expected.flow {
        Flow::Login { nonce, requirements } => {
            if nonce.is_empty() || text(claims, "nonce")? != nonce {
                return Err(IdTokenError::Nonce);
            }
            if let Some(wanted) = &requirements.acr {
                let acr = text(claims, "acr")?;
                if !wanted.is_empty() && !wanted.iter().any(|name| name == acr) {
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

/// A token from a refresh tells of the same user, for the same client, by the same issuer.
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
    // It need not be there again, but if it is, it must be the one of the login.
    if claims
        .get("nonce")
        .is_some_and(|nonce| previous.get("nonce") != Some(nonce))
    {
        return Err(IdTokenError::Changed("nonce"));
    }
    // The time of the login, and not of the refresh.
    if let (Some(_), Some(_)) = (claims.get("auth_time"), previous.get("auth_time"))
        && time(claims, "auth_time") != time(previous, "auth_time")
    {
        return Err(IdTokenError::Changed("auth_time"));
    }
    Ok(())
}

/// `at_hash` of an access token, OpenID Connect Core, section 3.1.3.6: the left half of its hash, by the hash function of
/// the signature.
pub fn access_token_hash(access_token: &str, algorithm: Algorithm) -> String {
    let digest = algorithm.hash().digest(access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2])
}
