//! What the claims of an ID token must be: OpenID Connect Core 1.0, sections 3.1.3.7 and 12.2.
//!
//! Pure: the time is an argument, and the signature has been verified before.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::error::shown;
use super::extra_params::Demands;
use crate::jose::jws::JwsError;

/// The `typ` that an ID token may have in its header.
pub const TYPES: [&str; 1] = ["jwt"];

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
    pub occasion: Occasion<'a>,
}

/// What an ID token came for.
#[derive(Clone, Copy, Debug)]
pub enum Occasion<'a> {
    /// The user signed in.
    Login {
        /// `nonce` of the authorization request.
        nonce: &'a str,
        /// What the authorization request demanded.
        demands: &'a Demands,
    },
    /// A refresh, with the claims of the token from before where there was one.
    Refresh {
        /// Those claims.
        previous: Option<&'a Map<String, Value>>,
    },
}

/// Why an ID token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdTokenError {
    /// The token response to a login holds none.
    Missing,
    /// Its form or its signature.
    Signature(JwsError),
    /// This claim is missing, or is not of the type that it must have.
    Claim(&'static str),
    /// `iss` is another issuer.
    Issuer,
    /// `aud`, as it may be logged, does not hold this client.
    Audience(String),
    /// `aud` holds this one, who is not trusted.
    UntrustedAudience(String),
    /// `azp` is there, and is another client.
    AuthorizedParty,
    /// `exp` has passed.
    Expired,
    /// `iat` or `nbf` lies in the future.
    NotYetValid,
    /// `nonce` is not that of the authorization request.
    Nonce,
    /// `at_hash` is not the hash of the access token.
    AccessTokenHash,
    /// `auth_time` is longer ago than `max_age`.
    TooLongAgo,
    /// `acr` is none of those that were asked for as essential.
    AuthenticationContext,
    /// After a refresh, this claim is not what it was before.
    Changed(&'static str),
}

impl std::fmt::Display for IdTokenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            IdTokenError::Missing => f.write_str("there is none in the token response"),
            IdTokenError::Signature(error) => error.fmt(f),
            IdTokenError::Claim(name) => write!(f, "`{name}` is missing or of the wrong type"),
            IdTokenError::Issuer => f.write_str("`iss` is not `authorization_server.issuer`"),
            IdTokenError::Audience(audience) => write!(f, "`aud` is `{audience}`, without `client.id`"),
            IdTokenError::UntrustedAudience(other) => write!(
                f,
                "`aud` holds `{other}`, which is neither `client.id` nor in `client.trusted_audiences`"
            ),
            IdTokenError::AuthorizedParty => f.write_str("`azp` is not `client.id`"),
            IdTokenError::Expired => f.write_str("`exp` has passed"),
            IdTokenError::NotYetValid => f.write_str("`iat` or `nbf` is in the future: are the clocks right?"),
            IdTokenError::Nonce => f.write_str("`nonce` is not that of the authorization request"),
            IdTokenError::AccessTokenHash => f.write_str("`at_hash` does not belong to the access token"),
            IdTokenError::TooLongAgo => f.write_str("`auth_time` is longer ago than `max_age` allows"),
            IdTokenError::AuthenticationContext => f.write_str("`acr` is not what was asked for as essential"),
            IdTokenError::Changed(name) => write!(f, "`{name}` is not what it was before the refresh"),
        }
    }
}

impl std::error::Error for IdTokenError {}

impl From<JwsError> for IdTokenError {
    fn from(error: JwsError) -> IdTokenError {
        IdTokenError::Signature(error)
    }
}

/// Judges the claims of a token at `now`, in UNIX seconds.
pub fn validate(claims: &Map<String, Value>, expected: &Expected<'_>, now: u64) -> Result<(), IdTokenError> {
    if text(claims, "iss")? != expected.issuer {
        return Err(IdTokenError::Issuer);
    }
    if text(claims, "sub")?.is_empty() {
        return Err(IdTokenError::Claim("sub"));
    }
    validate_audience(claims, expected.client_id, expected.trusted_audiences)?;
    // Only where it is there: nothing says that several audiences need one (OpenID Connect Core, errata set 2).
    if let Some(party) = claims.get("azp")
        && party.as_str() != Some(expected.client_id)
    {
        return Err(IdTokenError::AuthorizedParty);
    }
    validate_times(claims, expected.clock_skew, now)?;
    if claims.contains_key("at_hash") {
        let hash = access_token_hash(expected.access_token, expected.algorithm);
        if text(claims, "at_hash")? != hash {
            return Err(IdTokenError::AccessTokenHash);
        }
    }
    match expected.occasion {
        Occasion::Login { nonce, demands } => {
            if nonce.is_empty() || text(claims, "nonce")? != nonce {
                return Err(IdTokenError::Nonce);
            }
            if let Some(wanted) = &demands.acr {
                let acr = text(claims, "acr")?;
                if !wanted.is_empty() && !wanted.iter().any(|name| name == acr) {
                    return Err(IdTokenError::AuthenticationContext);
                }
            }
            if let Some(max_age) = demands.max_age {
                let latest = time(claims, "auth_time")? + seconds(max_age) + seconds(expected.clock_skew);
                if latest < seconds(now) {
                    return Err(IdTokenError::TooLongAgo);
                }
            }
            Ok(())
        }
        Occasion::Refresh {
            previous: Some(previous),
        } => validate_unchanged(claims, previous),
        Occasion::Refresh { previous: None } => Ok(()),
    }
}

/// The rules for any other JWT that the server sends to this client (signed userinfo, JARM, logout tokens): `expected` are the
/// issuer, the client's id and who else may be in `aud`. Times need not be there, but hold where they are.
pub fn validate_addressed(
    claims: &Map<String, Value>,
    (issuer, client_id, trusted_audiences): (&str, &str, &[String]),
    clock_skew: u64,
    now: u64,
) -> Result<(), IdTokenError> {
    if text(claims, "iss")? != issuer {
        return Err(IdTokenError::Issuer);
    }
    validate_audience(claims, client_id, trusted_audiences)?;
    let (now, skew) = (seconds(now), seconds(clock_skew));
    if claims.contains_key("exp") && time(claims, "exp")? + skew <= now {
        return Err(IdTokenError::Expired);
    }
    for name in ["iat", "nbf"] {
        if claims.contains_key(name) && time(claims, name)? > now + skew {
            return Err(IdTokenError::NotYetValid);
        }
    }
    Ok(())
}

/// `aud` holds this client, and nobody else who is not trusted.
fn validate_audience(
    claims: &Map<String, Value>,
    client_id: &str,
    trusted_audiences: &[String],
) -> Result<(), IdTokenError> {
    let audience = audience(claims)?;
    if !audience.contains(&client_id) {
        return Err(IdTokenError::Audience(shown(&audience.join(", "))));
    }
    let is_trusted = |other: &str| other == client_id || trusted_audiences.iter().any(|id| id == other);
    match audience.into_iter().find(|other| !is_trusted(other)) {
        Some(other) => Err(IdTokenError::UntrustedAudience(shown(other))),
        None => Ok(()),
    }
}

fn validate_times(claims: &Map<String, Value>, clock_skew: u64, now: u64) -> Result<(), IdTokenError> {
    let (now, skew) = (seconds(now), seconds(clock_skew));
    if time(claims, "exp")? + skew <= now {
        return Err(IdTokenError::Expired);
    }
    if time(claims, "iat")? > now + skew {
        return Err(IdTokenError::NotYetValid);
    }
    if claims.contains_key("nbf") && time(claims, "nbf")? > now + skew {
        return Err(IdTokenError::NotYetValid);
    }
    Ok(())
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

/// `at_hash` of an access token, OpenID Connect Core section 3.1.3.6: the left half of its hash, by the hash function of
/// the signature. Ed25519 has SHA-512.
pub fn access_token_hash(access_token: &str, algorithm: Algorithm) -> String {
    use Algorithm::{ES384, EdDSA, PS384, PS512, RS384, RS512};
    let half = |digest: &[u8]| URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2]);
    match algorithm {
        RS384 | PS384 | ES384 => half(&Sha384::digest(access_token)),
        RS512 | PS512 | EdDSA => half(&Sha512::digest(access_token)),
        _ => half(&Sha256::digest(access_token)),
    }
}

/// `aud` as a list.
fn audience(claims: &Map<String, Value>) -> Result<Vec<&str>, IdTokenError> {
    let audience: Option<Vec<&str>> = match claims.get("aud") {
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(several)) => several.iter().map(Value::as_str).collect(),
        _ => None,
    };
    audience.ok_or(IdTokenError::Claim("aud"))
}

fn text<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, IdTokenError> {
    claims
        .get(name)
        .and_then(Value::as_str)
        .ok_or(IdTokenError::Claim(name))
}

/// A NumericDate, RFC 7519 section 2: seconds, perhaps with a fraction. As a float, so that no date can overflow.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<f64, IdTokenError> {
    claims
        .get(name)
        .and_then(Value::as_f64)
        .ok_or(IdTokenError::Claim(name))
}

/// Exact for the next 285 million years.
fn seconds(value: u64) -> f64 {
    value as f64
}
