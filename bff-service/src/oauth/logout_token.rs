//! Logout tokens: OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6.

use serde_json::{Map, Value};

use super::client::OAuthClient;
use super::error::OAuthError;
use super::id_token;
use crate::clock;

/// The `typ` of a logout token, in lower case. One without is accepted, as servers from before 2022 send none.
const TYPES: [&str; 2] = ["logout+jwt", "jwt"];
/// The member of `events` that makes a token one for logout.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A token older than this is refused, in seconds, whatever its `exp`: only for so long are its like remembered.
pub const MAX_AGE_SECONDS: u64 = 300;

/// What a logout token ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// The user.
    pub subject: Option<String>,
    /// The login at the server; without it, all of the user's.
    pub login: Option<String>,
    /// The token's own id: it is good for one use.
    pub id: String,
}

impl OAuthClient {
    /// Verifies a logout token. Every fault is [`OAuthError::LogoutToken`], unless the server's keys cannot be had.
    pub async fn logout_token(&self, raw: &str) -> Result<LogoutToken, OAuthError> {
        let (_, claims) = self.verify_signature(raw, &TYPES).await.map_err(|error| match error {
            OAuthError::InvalidIdToken(_) => {
                OAuthError::LogoutToken("it is not a JWT that the authorization server signed")
            }
            other => other,
        })?;
        let settings = self.config();
        let expected = (
            settings.authorization_server.issuer.as_str(),
            settings.client.id.as_str(),
        );
        let skew = settings.authorization_server.clock_skew_seconds;
        validate(&claims, expected, skew, clock::now())
    }
}

/// The rules for its claims at `now`, in UNIX seconds; `expected` are the issuer and the client's id.
pub fn validate(
    claims: &Map<String, Value>,
    expected: (&str, &str),
    clock_skew: u64,
    now: u64,
) -> Result<LogoutToken, OAuthError> {
    let refused = |what| Err(OAuthError::LogoutToken(what));
    if id_token::validate_addressed(claims, expected, clock_skew, now).is_err() {
        return refused("`iss`, `aud` or `exp` is missing or wrong");
    }
    let Some(issued_at) = claims.get("iat").and_then(Value::as_f64) else {
        return refused("`iat` is missing");
    };
    let (now, skew) = (now as f64, clock_skew as f64);
    if issued_at > now + skew || issued_at + (MAX_AGE_SECONDS as f64) + skew < now {
        return refused("`iat` is in the future or too long ago");
    }
    if !claims
        .get("events")
        .and_then(|events| events.get(EVENT))
        .is_some_and(Value::is_object)
    {
        return refused("`events` does not hold the logout event");
    }
    // It would be an ID token in disguise.
    if claims.contains_key("nonce") {
        return refused("`nonce` is there");
    }
    let text = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(OAuthError::LogoutToken("`sub`, `sid` or `jti` is not a text")),
    };
    let (subject, login) = (text("sub")?, text("sid")?);
    if subject.is_none() && login.is_none() {
        return refused("both `sub` and `sid` are missing");
    }
    match text("jti")? {
        Some(id) if id.len() <= 1024 => Ok(LogoutToken { subject, login, id }),
        _ => refused("`jti` is missing or too long"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn judged(changes: Value) -> Result<LogoutToken, String> {
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
        let expected = ("https://issuer", "client");
        validate(claims.as_object().unwrap(), expected, 10, NOW).map_err(|error| error.to_string())
    }

    #[test]
    fn a_proper_token_names_user_and_login() {
        let token = judged(json!({})).unwrap();
        assert_eq!(
            (token.subject.as_deref(), token.login.as_deref()),
            (Some("alice"), Some("login"))
        );
        assert!(judged(json!({"sub": null})).is_ok() && judged(json!({"sid": null})).is_ok());
        assert!(judged(json!({"aud": ["client"]})).is_ok() && judged(json!({"further": 1})).is_ok());
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
            json!({"exp": null}),
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
            assert!(judged(changes.clone()).is_err(), "{changes}");
        }
    }
}
