//! The parameters that a page may add to the authorization request.
//!
//! The parameters of the service decide who gets the code, and where: a second `redirect_uri` or another `scope` of a
//! page must never be sent, whatever the configuration allows.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::forbidden_params::is_forbidden;

/// The only parameter that may be repeated (RFC 8707, section 2).
const REPEATABLE: &str = "resource";

/// Maximum number of parameters of a page.
pub const MAX_PARAMS: usize = 20;
/// Maximum length of a value, in bytes.
pub const MAX_VALUE_BYTES: usize = 4096;

/// Why parameters are refused. `Display` contains no value, because a value may be anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtraParamError {
    /// The key is not on the allow-list.
    #[error("a key is not in `client.allowed_extra_params`")]
    NotAllowed,
    /// This allowed key is repeated.
    #[error("`{0}` is repeated")]
    Repeated(String),
    /// The value of this key is too long or contains control characters.
    #[error("the value of `{0}` is longer than {MAX_VALUE_BYTES} bytes or contains control characters")]
    Value(String),
    /// `max_age` is not a number of seconds.
    #[error("`max_age` is not a number of seconds")]
    MaxAge,
    /// `claims` is not a valid JSON object.
    #[error("`claims` is not a JSON object in the form of a claims request")]
    Claims,
    /// There are too many parameters.
    #[error("more than {MAX_PARAMS} parameters")]
    TooMany,
}

/// The requirements of the parameters for the ID token.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IdTokenRequirements {
    /// `max_age` in seconds: `auth_time` must be present and recent enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// `acr` was requested as essential (OpenID Connect Core 1.0, section 5.5.1.1): it must be present, and have one of
    /// these values unless the list is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<Vec<String>>,
}

impl IdTokenRequirements {
    /// Adds that `acr` must be one of the requested `acr_values`, if these parameters have any. By itself, `acr_values` is only
    /// a wish (OpenID Connect Core 1.0, section 3.1.2.1). An essential `acr` in `claims` takes precedence.
    pub fn with_essential_acr_values(self, extra: &[(String, String)]) -> Self {
        let requested = extra.iter().find(|(key, _)| key == "acr_values");
        let values = requested.map(|(_, values)| values.split_ascii_whitespace().map(str::to_owned).collect());
        Self {
            acr: self.acr.or(values),
            ..self
        }
    }
}

/// Checks the parameters of a page, and returns their requirements for the ID token. `allowed` is
/// `client.allowed_extra_params`.
///
/// # Errors
/// The first rule that the parameters violate.
pub fn check(extra: &[(String, String)], allowed: &[String]) -> Result<IdTokenRequirements, ExtraParamError> {
    if extra.len() > MAX_PARAMS {
        return Err(ExtraParamError::TooMany);
    }
    let mut requirements = IdTokenRequirements::default();
    for (index, (key, value)) in extra.iter().enumerate() {
        if is_forbidden(key) || !allowed.contains(key) {
            return Err(ExtraParamError::NotAllowed);
        }
        if key != REPEATABLE && extra.iter().take(index).any(|(earlier, _)| earlier == key) {
            return Err(ExtraParamError::Repeated(key.clone()));
        }
        if value.len() > MAX_VALUE_BYTES || value.chars().any(char::is_control) {
            return Err(ExtraParamError::Value(key.clone()));
        }
        if key == "max_age" {
            let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = value.parse().ok().filter(|_| is_number);
            requirements.max_age = Some(seconds.ok_or(ExtraParamError::MaxAge)?);
        }
        if key == "claims" {
            requirements.acr = essential_acr(value)?;
        }
    }
    Ok(requirements)
}

/// The requirements of a `claims` parameter (OpenID Connect Core 1.0, section 5.5) for `acr`.
fn essential_acr(claims: &str) -> Result<Option<Vec<String>>, ExtraParamError> {
    let claims: Value = serde_json::from_str(claims).map_err(|_| ExtraParamError::Claims)?;
    if !claims.is_object() {
        return Err(ExtraParamError::Claims);
    }
    let Some(acr) = claims.pointer("/id_token/acr") else {
        return Ok(None);
    };
    if acr.get("essential").and_then(Value::as_bool) != Some(true) {
        return Ok(None);
    }
    let one = acr.get("value").into_iter();
    let several = acr.get("values").and_then(Value::as_array).into_iter().flatten();
    let names: Option<Vec<String>> = one
        .chain(several)
        .map(|name| name.as_str().map(str::to_owned))
        .collect();
    names.map(Some).ok_or(ExtraParamError::Claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(key: &str, value: &str, allowed: &[&str]) -> Result<IdTokenRequirements, ExtraParamError> {
        let allowed: Vec<String> = allowed.iter().map(|key| (*key).to_owned()).collect();
        check(&[(key.to_owned(), value.to_owned())], &allowed)
    }

    #[test]
    fn a_parameter_on_the_allow_list_is_accepted_with_any_printable_value() {
        assert_eq!(
            check_one("login_hint", "a&client_id=evil#ü", &["login_hint"]),
            Ok(IdTokenRequirements::default())
        );
    }

    #[test]
    fn a_parameter_that_is_not_on_the_allow_list_is_refused() {
        for key in ["foo", "", "Prompt", "prompt ", "prompt&state=1"] {
            assert_eq!(
                check_one(key, "login", &["prompt"]),
                Err(ExtraParamError::NotAllowed),
                "{key:?}"
            );
        }
    }

    #[test]
    fn parameters_of_the_request_itself_are_refused_even_if_the_allow_list_holds_them() {
        for key in [
            "client_id",
            "redirect_uri",
            "state",
            "scope",
            "nonce",
            "response_type",
            "response_mode",
            "code_challenge",
            "code_challenge_method",
            "request",
            "request_uri",
            "REDIRECT_URI",
        ] {
            assert_eq!(check_one(key, "x", &[key]), Err(ExtraParamError::NotAllowed), "{key}");
        }
    }

    #[test]
    fn a_repeated_parameter_is_refused_but_resource_may_repeat() {
        let pair = |key: &str| (key.to_owned(), "login".to_owned());
        let allowed = ["prompt".to_owned(), "resource".to_owned()];
        let repeated = check(&[pair("prompt"), pair("prompt")], &allowed);
        assert_eq!(repeated, Err(ExtraParamError::Repeated("prompt".to_owned())));
        assert_eq!(
            check(&[pair("resource"), pair("resource")], &allowed),
            Ok(IdTokenRequirements::default())
        );
    }

    #[test]
    fn max_age_is_read_and_must_be_a_number() {
        assert_eq!(
            check_one("max_age", "0", &["max_age"]).map(|requirements| requirements.max_age),
            Ok(Some(0))
        );
        assert_eq!(
            check_one("max_age", "3600", &["max_age"]).map(|requirements| requirements.max_age),
            Ok(Some(3600))
        );
        for value in ["", "-1", "+1", "1.5", "soon", "99999999999999999999"] {
            assert_eq!(
                check_one("max_age", value, &["max_age"]),
                Err(ExtraParamError::MaxAge),
                "{value:?}"
            );
        }
    }

    #[test]
    fn acr_values_are_a_wish_unless_they_are_made_essential() {
        let extra = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let allowed = ["acr_values".to_owned(), "claims".to_owned()];
        let wish = [extra("acr_values", "gold  silver")];
        let checked = check(&wish, &allowed).unwrap();
        assert_eq!(checked.acr, None);
        let essential = checked.with_essential_acr_values(&wish);
        assert_eq!(essential.acr, Some(vec!["gold".to_owned(), "silver".to_owned()]));
        assert_eq!(IdTokenRequirements::default().with_essential_acr_values(&[]).acr, None);
        let both = [
            wish[0].clone(),
            extra("claims", r#"{"id_token":{"acr":{"essential":true,"value":"gold"}}}"#),
        ];
        let checked = check(&both, &allowed).unwrap();
        assert_eq!(
            checked.with_essential_acr_values(&both).acr,
            Some(vec!["gold".to_owned()])
        );
    }

    #[test]
    fn endless_values_and_endless_lists_are_refused() {
        assert!(check_one("claims", &"x".repeat(MAX_VALUE_BYTES + 1), &["claims"]).is_err());
        assert!(check_one("claims", "a\r\nb", &["claims"]).is_err());
        let many = vec![("resource".to_owned(), "https://api".to_owned()); MAX_PARAMS + 1];
        assert_eq!(check(&many, &["resource".to_owned()]), Err(ExtraParamError::TooMany));
    }
}
