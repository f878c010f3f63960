//! The form and the claims of a JWT. Nothing here validates a signature: the authorization server vouches for its
//! responses, and the API validates the signature (RFC 7519; RFC 9068).

use serde_json::{Map, Value};

use crate::encoding::base64url;

/// The maximum length of a signed JWT whose claims are read, in bytes: many servers accept no longer header.
const MAX_JWT_BYTES: usize = 16 * 1024;

/// Returns the claims of a signed JWT that may be forwarded as an access token; `None` for anything else, such as text
/// that is not three strict base64url parts, an unsigned JWT, one that is too long, or a token that is not for APIs by its
/// `typ`: an introspection response (RFC 9701), a logout token.
pub(crate) fn access_token_claims(token: &[u8]) -> Option<Map<String, Value>> {
    signed_claims(token, |typ| typ.is_none_or(|typ| matches!(typ, "at+jwt" | "jwt")))
}

/// Whether this is an unsecured JWT (RFC 7519, section 6): its `alg` is `none`, so anybody can have made it.
pub(crate) fn is_unsecured(token: &[u8]) -> bool {
    let mut parts = token.split(|byte| *byte == b'.');
    let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let is_none = |header: &Map<String, Value>| {
        let algorithm = header.get("alg").and_then(Value::as_str);
        algorithm.is_some_and(|algorithm| algorithm.eq_ignore_ascii_case("none"))
    };
    object(header).as_ref().is_some_and(is_none)
}

/// Whether this is meant as a JWT, although [`access_token_claims`] does not read it: for example, its `typ` is that of
/// another kind of token, or only lenient decoders accept its encoding. Somebody may have changed it so that its claims
/// are overlooked here, while the authorization server still accepts it.
pub(crate) fn is_unreadable(token: &[u8]) -> bool {
    let mut parts = token.split(|byte| *byte == b'.');
    let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let header = base64url::decode_leniently(header);
    let is_header = serde_json::from_slice::<Map<String, Value>>(&header).is_ok();
    is_header && access_token_claims(token).is_none()
}

/// Returns the claims of a signed introspection response (RFC 9701, section 5).
pub(crate) fn introspection_claims(token: &[u8]) -> Option<Map<String, Value>> {
    signed_claims(token, |typ| typ == Some("token-introspection+jwt"))
}

/// Returns the claims of a signed JWT if `is_accepted` accepts its `typ`, in lower case and without `application/`.
fn signed_claims(token: &[u8], is_accepted: impl FnOnce(Option<&str>) -> bool) -> Option<Map<String, Value>> {
    if token.len() > MAX_JWT_BYTES {
        return None;
    }
    let mut parts = token.split(|byte| *byte == b'.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || signature.is_empty() {
        return None;
    }
    base64url::decode(signature)?;
    let header = object(header)?;
    let algorithm = header.get("alg")?.as_str()?;
    if algorithm.is_empty() || algorithm.eq_ignore_ascii_case("none") {
        return None;
    }
    let typ = match header.get("typ") {
        Some(typ) => Some(typ.as_str()?.to_ascii_lowercase()),
        None => None,
    };
    let typ = typ
        .as_deref()
        .map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    is_accepted(typ).then(|| object(claims))?
}

/// Returns `exp` in whole seconds since 1970 (RFC 7519, section 4.1.4); `None` if it is missing.
///
/// # Errors
/// It is not a number, is negative or is out of range.
pub fn expiry(claims: &Map<String, Value>) -> Result<Option<u64>, NotANumericDate> {
    whole_date(claims, "exp")
}

/// Returns a time claim in whole seconds since 1970; `None` if it is missing.
///
/// # Errors
/// It is not a number, is negative or is out of range.
pub fn whole_date(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, NotANumericDate> {
    match claims.get(name).and_then(Value::as_u64) {
        Some(seconds) => Ok(Some(seconds)),
        None => numeric_date(claims, name)?
            .map(|seconds| whole_seconds(seconds).ok_or(NotANumericDate))
            .transpose(),
    }
}

/// Returns a time claim in seconds since 1970, which may have a fraction (`NumericDate`: RFC 7519, section 2); `None`
/// if it is missing.
///
/// # Errors
/// It is not a number.
pub fn numeric_date(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, NotANumericDate> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(NotANumericDate),
    }
}

/// A time claim is not a number, or not one in the permitted range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANumericDate;

/// Returns the audiences of `aud`, a string or a list of strings (RFC 7519, section 4.1.3); `None` if it is neither.
pub fn audiences(claims: &Map<String, Value>) -> Option<Vec<&str>> {
    match claims.get("aud")? {
        Value::String(audience) => Some(vec![audience]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn object(part: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(&base64url::decode(part)?).ok()
}

/// Cuts off the fraction that a NumericDate may have; `None` if it is negative or out of range.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked, and the fraction is to be cut off"
)]
fn whole_seconds(value: f64) -> Option<u64> {
    (0.0..=9_007_199_254_740_991.0).contains(&value).then_some(value as u64)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A JWT with these claims and a signature that nobody checks.
    pub(crate) fn jwt(header: &Value, claims: &Value) -> String {
        format!(
            "{}.{}.c2ln",
            base64url::encode(header.to_string().as_bytes()),
            base64url::encode(claims.to_string().as_bytes())
        )
    }

    fn claims_of(header: &Value, claims: &Value) -> Option<Map<String, Value>> {
        access_token_claims(jwt(header, claims).as_bytes())
    }

    #[test]
    fn an_access_token_is_recognised_by_its_form() {
        for header in [
            json!({"alg": "RS256"}),
            json!({"alg": "ES256", "typ": "at+jwt"}),
            json!({"alg": "PS256", "typ": "application/at+JWT"}),
        ] {
            assert!(claims_of(&header, &json!({"sub": "a"})).is_some(), "{header}");
        }
    }

    #[test]
    fn what_is_not_an_access_token_is_not_forwarded() {
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "None"}),
            json!({"alg": ""}),
            json!({"alg": 1}),
            json!({}),
            json!({"alg": "RS256", "typ": "token-introspection+jwt"}),
            json!({"alg": "RS256", "typ": "logout+jwt"}),
        ] {
            assert!(claims_of(&header, &json!({})).is_none(), "{header}");
        }
        let valid = jwt(&json!({"alg": "RS256"}), &json!({}));
        let (without_signature, _) = valid.rsplit_once('.').unwrap();
        for token in [
            "",
            ".",
            "..",
            "a.b.c",
            without_signature,
            &format!("{without_signature}."),
            &format!("{valid}.a"),
            &format!("{valid}\r\nx: y"),
            &format!("{valid}="),
            "not a token",
        ] {
            assert!(access_token_claims(token.as_bytes()).is_none(), "{token:?}");
        }
        assert!(claims_of(&json!({"alg": "RS256"}), &json!([1])).is_none());
        let huge = jwt(&json!({"alg": "RS256"}), &json!({"a": "x".repeat(MAX_JWT_BYTES)}));
        assert!(access_token_claims(huge.as_bytes()).is_none());
    }

    #[test]
    fn an_expiry_is_a_number_or_nothing() {
        let exp = |value: Value| expiry(json!({"exp": value}).as_object().unwrap());
        assert_eq!(
            (exp(json!(5)), exp(json!(5.9)), expiry(&Map::new())),
            (Ok(Some(5)), Ok(Some(5)), Ok(None))
        );
        for value in [json!("5"), json!(-1), json!(null), json!(1e300)] {
            assert_eq!(exp(value.clone()), Err(NotANumericDate), "{value}");
        }
    }
}
