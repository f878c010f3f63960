//! Token responses (RFC 6749, section 5): parsing and validation.

use std::time::Duration;

use oauth2::{AccessToken, RefreshToken, Scope};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::error::OAuthError;

/// Maximum length of an accepted token, in bytes. With the default of `max_cookie_parts`, cookies could not contain a
/// longer one.
const MAX_TOKEN_BYTES: usize = 32 * 1024;

/// Maximum length of a stored scope, in bytes: the refresh token cookie contains it.
const MAX_SCOPE_BYTES: usize = 1024;

/// The validated tokens of a login or a refresh.
pub struct TokenSet {
    /// The access token: visible ASCII characters.
    pub access_token: String,
    /// Lifetime of the access token, in seconds, if the authorization server states it.
    pub expires_in: Option<u64>,
    /// The refresh token: printable ASCII characters. After a refresh, `None` means that the old one stays valid.
    pub refresh_token: Option<String>,
    /// Lifetime of the refresh token, in seconds, if the authorization server states it.
    pub refresh_expires_in: Option<u64>,
    /// The scope of the access token, if known: that of the response or, at a refresh, otherwise the requested one.
    pub scope: Option<String>,
    /// The validated ID token. Always present after a login.
    pub id_token: Option<IdToken>,
}

/// A validated ID token.
#[derive(Clone)]
pub struct IdToken {
    /// The serialized token.
    pub raw: String,
    /// Its validated claims.
    pub claims: Map<String, Value>,
}

/// A token response as received, for the `oauth2` crate. `Debug` shows no token.
#[derive(Deserialize, Serialize)]
pub struct TokenResponse {
    access_token: AccessToken,
    token_type: TokenType,
    #[serde(default, deserialize_with = "lifetime")]
    expires_in: Option<u64>,
    refresh_token: Option<RefreshToken>,
    // The lifetime of a refresh token has no standard name. These two are common.
    #[serde(default, deserialize_with = "lifetime")]
    refresh_expires_in: Option<u64>,
    #[serde(default, deserialize_with = "lifetime")]
    refresh_token_expires_in: Option<u64>,
    id_token: Option<String>,
    #[serde(default, deserialize_with = "scope")]
    scope: Option<String>,
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenResponse")
            .field("token_type", &self.token_type)
            .finish_non_exhaustive()
    }
}

/// The accepted token types. Case-insensitive (RFC 6749, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TokenType {
    /// A bearer token (RFC 6750).
    Bearer,
    /// A token that is bound to a key (RFC 9449).
    DPoP,
}

impl<'de> Deserialize<'de> for TokenType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TokenType, D::Error> {
        let name = String::deserialize(deserializer)?;
        match name.to_ascii_lowercase().as_str() {
            "bearer" => Ok(TokenType::Bearer),
            "dpop" => Ok(TokenType::DPoP),
            _ => Err(serde::de::Error::custom("the token type is neither Bearer nor DPoP")),
        }
    }
}

impl oauth2::TokenType for TokenType {}

impl oauth2::TokenResponse for TokenResponse {
    type TokenType = TokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &TokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl TokenResponse {
    /// The ID token as received, not validated.
    pub fn id_token(&self) -> Option<&str> {
        self.id_token.as_deref()
    }

    /// The tokens, if cookies and headers can contain them. The caller validates the ID token.
    ///
    /// # Errors
    /// [`OAuthError::Unavailable`] if the access token is empty, or a token is too long or contains other characters
    /// than it may.
    pub fn into_tokens(self) -> Result<TokenSet, OAuthError> {
        let access_token = self.access_token.into_secret();
        // The token is sent in an Authorization header (RFC 6750, section 2.1).
        check(
            &access_token,
            "access_token",
            "visible ASCII",
            bff_core::request::access_token::is_token_byte,
        )?;
        let refresh_token = self
            .refresh_token
            .map(RefreshToken::into_secret)
            .filter(|token| !token.is_empty());
        if let Some(token) = &refresh_token {
            // RFC 6749, appendix A.17.
            check(token, "refresh_token", "printable ASCII", |byte| {
                matches!(byte, 0x20..=0x7e)
            })?;
        }
        let refresh_expires_in = self.refresh_expires_in.or(self.refresh_token_expires_in);
        Ok(TokenSet {
            access_token,
            expires_in: self.expires_in,
            refresh_token,
            // Some servers send 0 for a refresh token that does not expire.
            refresh_expires_in: refresh_expires_in.filter(|seconds| *seconds > 0),
            scope: self.scope,
            id_token: None,
        })
    }
}

fn check(token: &str, name: &str, characters: &str, is_allowed: fn(u8) -> bool) -> Result<(), OAuthError> {
    let invalid = |what: String| Err(OAuthError::Unavailable(format!("token response: `{name}` {what}")));
    match token {
        "" => invalid("is empty".to_owned()),
        token if token.len() > MAX_TOKEN_BYTES => invalid(format!(
            "is longer than {MAX_TOKEN_BYTES} bytes: configure the authorization server to issue shorter tokens"
        )),
        token if !token.bytes().all(is_allowed) => invalid(format!("contains characters other than {characters}")),
        _ => Ok(()),
    }
}

/// Scope names and spaces (RFC 6749, section 3.3). Any other value is ignored, because a request could not contain it.
/// A value of more than [`MAX_SCOPE_BYTES`] is ignored too.
fn scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let is_legal = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let scope = value
        .as_str()
        .map(str::trim)
        .filter(|scope| !scope.is_empty() && scope.len() <= MAX_SCOPE_BYTES && scope.bytes().all(is_legal));
    Ok(scope.map(str::to_owned))
}

/// Seconds. RFC 6749, appendix A.14 specifies digits, but some servers send a string or a fraction.
fn lifetime<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Lifetime {
        Whole(u64),
        Fraction(f64),
        Quoted(String),
    }
    let invalid = || serde::de::Error::custom("invalid lifetime: not a number of seconds");
    match Option::deserialize(deserializer)? {
        None => Ok(None),
        Some(Lifetime::Whole(seconds)) => Ok(Some(seconds)),
        // The cast rounds down, and saturates.
        Some(Lifetime::Fraction(seconds)) if seconds >= 0.0 => Ok(Some(seconds as u64)),
        Some(Lifetime::Fraction(_)) => Err(invalid()),
        Some(Lifetime::Quoted(seconds)) => seconds.parse().map(Some).map_err(|_| invalid()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(changes: Value) -> Result<TokenSet, String> {
        let mut response = json!({"access_token": "a.b-c_d~e+f/g=", "token_type": "Bearer"});
        for (name, value) in changes.as_object().unwrap() {
            response[name] = value.clone();
        }
        let response: TokenResponse = serde_json::from_value(response).map_err(|error| error.to_string())?;
        response.into_tokens().map_err(|error| error.to_string())
    }

    #[test]
    fn the_type_is_compared_without_case() {
        for name in ["Bearer", "bearer", "BEARER", "DPoP", "dpop"] {
            assert!(read(json!({ "token_type": name })).is_ok(), "{name}");
        }
    }

    #[test]
    fn another_type_is_refused() {
        for name in ["mac", "", "Bearer ", "N_A"] {
            assert!(read(json!({ "token_type": name })).is_err(), "{name:?}");
        }
    }

    #[test]
    fn tokens_that_could_break_out_of_a_header_are_refused() {
        for token in ["", "a b", "a\r\nb", "a\0b", "ä", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
            assert!(read(json!({ "access_token": token })).is_err(), "{token:?}");
        }
        assert!(read(json!({"refresh_token": "a\nb"})).is_err());
    }

    #[test]
    fn a_token_that_the_gateway_takes_is_taken_at_login() {
        for token in ["00D!AQ4", "a,b", "a\"b"] {
            assert_eq!(read(json!({ "access_token": token })).unwrap().access_token, token);
        }
    }

    #[test]
    fn long_tokens_and_unknown_members_are_accepted() {
        let tokens = read(json!({"access_token": "x".repeat(8000), "session_state": {"a": [1]}})).unwrap();
        assert_eq!(tokens.access_token.len(), 8000);
    }

    #[test]
    fn lifetimes_are_read_in_every_spelling_that_servers_use() {
        for lifetime in [json!(300), json!(300.9), json!("300")] {
            assert_eq!(read(json!({ "expires_in": lifetime })).unwrap().expires_in, Some(300));
        }
        assert_eq!(read(json!({"expires_in": null})).unwrap().expires_in, None);
        for lifetime in [json!(-1), json!("soon"), json!([300]), json!(true)] {
            assert!(read(json!({ "expires_in": lifetime })).is_err(), "{lifetime}");
        }
    }

    #[test]
    fn the_lifetime_of_a_refresh_token_has_two_names_and_0_means_unlimited() {
        assert_eq!(
            read(json!({"refresh_expires_in": 60})).unwrap().refresh_expires_in,
            Some(60)
        );
        assert_eq!(
            read(json!({"refresh_token_expires_in": 60}))
                .unwrap()
                .refresh_expires_in,
            Some(60)
        );
        assert_eq!(read(json!({"refresh_expires_in": 0})).unwrap().refresh_expires_in, None);
    }

    #[test]
    fn a_scope_is_kept_only_if_it_could_be_asked_for() {
        let scope = |value: Value| read(json!({ "scope": value })).unwrap().scope;
        assert_eq!(scope(json!("openid api:read")).as_deref(), Some("openid api:read"));
        assert_eq!(scope(json!(" openid ")).as_deref(), Some("openid"));
        for unusable in [
            json!(null),
            json!(""),
            json!(" "),
            json!(["openid"]),
            json!("a\"b"),
            json!("a\nb"),
            json!("ä"),
            json!("x".repeat(MAX_SCOPE_BYTES + 1)),
        ] {
            assert_eq!(scope(unusable.clone()), None, "{unusable}");
        }
        assert_eq!(read(json!({})).unwrap().scope, None);
    }

    #[test]
    fn debug_shows_no_token() {
        let response = r#"{"access_token":"aaa","token_type":"bearer","refresh_token":"rrr","id_token":"iii"}"#;
        let response: TokenResponse = serde_json::from_str(response).unwrap();
        let shown = format!("{response:?}");
        assert!(
            !shown.contains("aaa") && !shown.contains("rrr") && !shown.contains("iii"),
            "{shown}"
        );
    }
}
