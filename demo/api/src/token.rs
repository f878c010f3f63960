//! The access token: read from the request's only `Authorization` header, validated as RFC 9068, section 4 says.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// Accepted signature algorithms. None is symmetric, since the verifier could forge such a signature. `none` is absent.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::ES256, Algorithm::RS256, Algorithm::PS256, Algorithm::EdDSA];
/// By how much this machine's clock and the issuer's may differ.
const LEEWAY_SECONDS: u64 = 5;

/// The claims that the API uses.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    /// The subject.
    pub(crate) sub: String,
    /// One issuer: RFC 7519 does not allow a list, which the library would accept.
    iss: String,
    /// The other claims, for the page to show.
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    /// All claims of the token.
    pub(crate) fn into_json(self) -> Value {
        let mut claims = self.others;
        claims.insert("iss".to_owned(), self.iss.into());
        claims.insert("sub".to_owned(), self.sub.into());
        claims.into()
    }
}

/// The access token in the request's `Authorization: Bearer` header (RFC 6750, section 2.1).
///
/// # Errors
/// [`ApiError::MissingToken`] without the header; [`ApiError::InvalidToken`] with several, or with one that is not a bearer
/// token in ASCII.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut lines = headers.get_all(AUTHORIZATION);
    let line = lines.next().ok_or(ApiError::MissingToken)?;
    if lines.next().is_some() {
        return Err(ApiError::InvalidToken("more than one Authorization header"));
    }
    let text = line
        .to_str()
        .map_err(|_| ApiError::InvalidToken("the Authorization header is not ASCII"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token),
        _ => Err(ApiError::InvalidToken("the scheme is not Bearer")),
    }
}

/// The id of the key that signed the access token, whose `typ` must be this one.
///
/// # Errors
/// [`ApiError::InvalidToken`] for a token that is not a JWT access token, or whose header the API does not accept.
pub(crate) fn key_id(token: &str, token_type: &str) -> Result<String, ApiError> {
    let header: Header = decode_header(token).map_err(|_| ApiError::InvalidToken("it is not a JWT"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(ApiError::InvalidToken("its algorithm is not allowed"));
    }
    // RFC 9068, section 2.1. The same issuer signs other types of JWT: ID tokens, logout tokens.
    let typ = header.typ.unwrap_or_default().to_ascii_lowercase();
    if typ.strip_prefix("application/").unwrap_or(&typ) != token_type.to_ascii_lowercase() {
        return Err(ApiError::InvalidToken("its typ is not that of an access token"));
    }
    // RFC 7515, section 4.1.11: no extension is understood.
    if header.crit.is_some() {
        return Err(ApiError::InvalidToken("it has a critical header parameter"));
    }
    header.kid.ok_or(ApiError::InvalidToken("it has no key id"))
}

/// The requirements for an access token: issuer, audience, algorithms, lifetime.
pub(crate) struct Validator {
    validation: Validation,
    /// The `typ` of the JWT.
    pub(crate) token_type: String,
}

impl Validator {
    /// A validator for access tokens of `issuer` for `audience`, whose `typ` is `token_type`.
    pub(crate) fn new(issuer: &str, audience: &str, token_type: &str) -> Validator {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        Validator {
            validation,
            token_type: token_type.to_owned(),
        }
    }

    /// Checks the signature with `key`, then the claims.
    ///
    /// # Errors
    /// [`ApiError::InvalidToken`] with the reason for the log.
    pub(crate) fn validate(&self, token: &str, key: &Jwk) -> Result<Claims, ApiError> {
        let header = decode_header(token).map_err(|_| ApiError::InvalidToken("it is not a JWT"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(ApiError::InvalidToken("its algorithm is not allowed"));
        }
        // If the key says which algorithm it is for, the token cannot choose another one.
        if key
            .common
            .key_algorithm
            .is_some_and(|alg| alg.to_string() != format!("{:?}", header.alg))
        {
            return Err(ApiError::InvalidToken("its algorithm is not that of its key"));
        }
        if key
            .common
            .public_key_use
            .as_ref()
            .is_some_and(|usage| *usage != PublicKeyUse::Signature)
        {
            return Err(ApiError::InvalidToken("its key is not a signing key"));
        }
        let decoding_key = DecodingKey::from_jwk(key).map_err(|_| ApiError::InvalidToken("its key is unusable"))?;
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        decode::<Claims>(token, &decoding_key, &validation)
            .map(|data| data.claims)
            .map_err(|error| {
                use jsonwebtoken::errors::ErrorKind;
                ApiError::InvalidToken(match error.kind() {
                    ErrorKind::InvalidSignature => "its signature is invalid",
                    ErrorKind::ExpiredSignature => "it has expired",
                    ErrorKind::ImmatureSignature => "it is not valid yet",
                    ErrorKind::InvalidIssuer => "it is from another issuer",
                    ErrorKind::InvalidAudience => "it is for another audience",
                    ErrorKind::MissingRequiredClaim(_) => "a required claim is missing",
                    _ => "it is malformed",
                })
            })
    }
}
