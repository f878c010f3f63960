//! Logout tokens: OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6.

use serde_json::{Map, Value};

use super::authorization_server::TokenSender;
use super::client::{OAuthClient, VerificationError};
use super::error::{LogoutTokenError, OAuthError};
use super::signed_jwt::{Addressee, JwtError, seconds, validate_addressed};
use crate::clock;
use crate::jose::claims::time;

/// The accepted `typ` of a logout token, in lower case. A token without `typ` is accepted, because servers from before
/// 2022 send none.
const TYPES: [&str; 2] = ["logout+jwt", "jwt"];
/// The member of `events` in a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Maximum age of a logout token, in seconds, whatever its `exp`: used tokens are stored only for a short time.
pub const MAX_AGE_SECONDS: u64 = 300;
/// Maximum length of `jti`, in bytes.
const MAX_ID_BYTES: usize = 1024;

/// The content of a logout token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// The user.
    pub subject: Option<String>,
    /// The session at the authorization server (`sid`). Without it, all sessions of the user end.
    pub login: Option<String>,
    /// The id of the token, which can be used once.
    pub id: String,
}

impl OAuthClient {
    /// Verifies a logout token.
    ///
    /// # Errors
    /// Always [`OAuthError::LogoutToken`], also if the keys are not available: the response then has the status for a
    /// failed logout (OpenID Connect Back-Channel Logout 1.0, section 2.8).
    pub async fn logout_token(&self, raw: &str) -> Result<LogoutToken, OAuthError> {
        let verified = self.verify_signature(raw, TokenSender::Anybody, &TYPES).await;
        let (_, claims) = verified.map_err(|error| match error {
            VerificationError::Invalid(error) => LogoutTokenError::Jwt(error),
            VerificationError::NoKeys(error) => {
                log::error!("back-channel logout: verifying the logout token failed: {error}");
                LogoutTokenError::NoKeys
            }
        })?;
        let config = self.config();
        let skew = config.authorization_server.clock_skew_seconds;
        Ok(validate(&claims, config.addressee(), skew, clock::now())?)
    }
}

/// Validates the claims at `now`, in seconds since 1970. `clock_skew` is in seconds. `exp` is required by the
/// specification, but servers that follow its drafts send none, and `iat` limits the age of a token in any case.
///
/// # Errors
/// The first rule that the claims violate.
pub fn validate(
    claims: &Map<String, Value>,
    expected: Addressee<'_>,
    clock_skew: u64,
    now: u64,
) -> Result<LogoutToken, LogoutTokenError> {
    validate_addressed(claims, expected, clock_skew, now)?;
    let issued_at = time(claims, "iat").map_err(JwtError::from)?;
    if issued_at + seconds(MAX_AGE_SECONDS) + seconds(clock_skew) < seconds(now) {
        return Err(LogoutTokenError::TooOld);
    }
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(LogoutTokenError::NoLogoutEvent);
    }
    if claims.contains_key("nonce") {
        return Err(LogoutTokenError::Nonce);
    }
    let string = |name: &'static str| match claims.get(name) {
        None => Ok(None),
        Some(Value::String(value)) if !value.is_empty() => Ok(Some(value.clone())),
        Some(_) => Err(LogoutTokenError::NotString(name)),
    };
    let (subject, login) = (string("sub")?, string("sid")?);
    if subject.is_none() && login.is_none() {
        return Err(LogoutTokenError::NamesNothing);
    }
    match string("jti")? {
        Some(id) if id.len() <= MAX_ID_BYTES => Ok(LogoutToken { subject, login, id }),
        Some(_) | None => Err(LogoutTokenError::Id),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn validate_changed(changes: Value) -> Result<LogoutToken, String> {
        let mut claims = json!({
            "iss": "https://issuer", "aud": "client", "iat": NOW, "exp": NOW + 120, "jti": "id", "sid": "login",
            "sub": "alice", "events": {EVENT: {}},
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        let trusted = ["trusted".to_owned()];
        let expected = ("https://issuer", "client", trusted.as_slice());
        validate(claims.as_object().unwrap(), expected, 10, NOW).map_err(|error| error.to_string())
    }

    #[test]
    fn a_proper_token_names_user_and_login() {
        let token = validate_changed(json!({})).unwrap();
        assert_eq!(
            (token.subject.as_deref(), token.login.as_deref()),
            (Some("alice"), Some("login"))
        );
        assert!(validate_changed(json!({"sub": null})).is_ok() && validate_changed(json!({"sid": null})).is_ok());
        assert!(
            validate_changed(json!({"aud": ["client"]})).is_ok() && validate_changed(json!({"further": 1})).is_ok()
        );
    }

    #[test]
    fn a_token_of_a_draft_without_exp_is_good_as_long_as_its_iat_is_young() {
        assert!(validate_changed(json!({"exp": null})).is_ok());
        assert!(validate_changed(json!({"exp": null, "iat": NOW - 310})).is_ok());
        assert!(validate_changed(json!({"exp": null, "iat": NOW - 311})).is_err());
    }

    #[test]
    fn another_audience_must_be_trusted_as_in_an_id_token() {
        assert!(validate_changed(json!({"aud": ["client", "trusted"]})).is_ok());
        assert!(validate_changed(json!({"aud": ["client", "trusted", "other"]})).is_err());
        assert!(validate_changed(json!({"aud": ["trusted"]})).is_err());
    }

    #[test]
    fn a_refusal_names_the_one_claim_that_is_wrong() {
        for (changes, claim) in [
            (json!({"iss": "https://other"}), "`iss`"),
            (json!({"iss": null}), "`iss`"),
            (json!({"aud": "other"}), "`aud`"),
            (json!({"exp": NOW - 11}), "`exp`"),
            (json!({"iat": null}), "`iat`"),
            (json!({"iat": NOW - 311}), "`iat`"),
            (json!({"sid": 7}), "`sid`"),
            (json!({"sub": ""}), "`sub`"),
            (json!({"jti": 1}), "`jti`"),
            (json!({"nonce": "n"}), "`nonce`"),
        ] {
            let error = validate_changed(changes.clone()).unwrap_err();
            assert!(error.contains(claim), "{changes}: {error}");
            let others = ["`iss`", "`aud`", "`exp`", "`iat`", "`sid`", "`sub`", "`jti`", "`nonce`"];
            let named = others.iter().filter(|other| error.contains(**other)).count();
            assert_eq!(named, 1, "{error}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for changes in [
            json!({"iss": "https://other"}),
            json!({"iss": null}),
            json!({"aud": "other"}),
            json!({"aud": ["client", "other"]}),
            json!({"aud": null}),
            json!({"exp": NOW - 11}),
            json!({"exp": "soon"}),
            json!({"nbf": NOW + 11}),
            json!({"iat": NOW + 11}),
            json!({"iat": NOW - 311}),
            json!({"iat": null}),
            json!({"jti": null}),
            json!({"jti": ""}),
            json!({"jti": 1}),
            json!({"jti": "i".repeat(1025)}),
            json!({"sub": null, "sid": null}),
            json!({"sub": "", "sid": null}),
            json!({"sid": 7}),
            json!({"events": null}),
            json!({"events": {}}),
            json!({"events": {"other": {}}}),
            json!({"events": {EVENT: true}}),
            json!({"events": EVENT}),
            json!({"nonce": "n"}),
            json!({"nonce": null, "events": []}),
        ] {
            assert!(validate_changed(changes.clone()).is_err(), "{changes}");
        }
    }
}
