//! The result of an exchange as it is stored in Redis for the other replicas: sealed with the cookie keys.

use std::sync::Arc;

use crate::error_code::ErrorCode;
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Binding, Content};
use bff_core::cookie::session_id::SessionId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::store::{BegunSession, RefreshKey, RefreshOutcome, RenewedTokens};
use crate::session::cookies::keys::RotatingSealer;
use crate::session::identity::{ReplicaId, Session};
use crate::{clock, random};

/// Maximum difference between the clocks of replicas, in seconds. Redis itself expires a result in time.
const MAX_CLOCK_SKEW_SECONDS: u64 = 60;

#[derive(Serialize, Deserialize)]
enum Stored {
    Renewed {
        access_token: String,
        access_token_expires_at: u64,
        refresh_token: String,
        /// A replica of an earlier version does not write this member.
        #[serde(default = "assume_rotated")]
        rotated: bool,
        /// Unknown to a replica of an earlier version.
        #[serde(default)]
        is_undelivered: bool,
        refresh_token_expires_at: Option<u64>,
        id_token: Option<String>,
        renewed_by: ReplicaId,
        /// 0 from a replica of an earlier version: long ago.
        #[serde(default)]
        renewed_at: u64,
        /// Unknown to a replica of an earlier version.
        #[serde(default)]
        scope: Option<String>,
        /// Present after a login.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        begun: Option<Box<StoredSession>>,
    },
    /// A failure.
    Refused(Failure),
}

#[derive(Serialize, Deserialize)]
struct StoredSession {
    id: [u8; 32],
    started_at: u64,
    csrf: Vec<u8>,
    /// Whether the browser may still bind the session to a device. A replica of an earlier version does not write this
    /// member.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_provisional: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Failure {
    SessionExpired,
    Rejected,
    /// Unknown to a replica of an earlier version, like the next two: it reads the result as [`Failure::Unavailable`].
    Busy {
        retry_after: Option<u16>,
    },
    LoginRequired,
    InsufficientUserAuthentication,
    /// Any other.
    Unavailable,
}

fn assume_rotated() -> bool {
    true
}

/// Seals a result with this lifetime, in seconds.
pub(super) fn seal(sealer: &RotatingSealer, key: RefreshKey, outcome: &RefreshOutcome, seconds: u64) -> Option<String> {
    let stored = match outcome {
        Ok(tokens) => Stored::Renewed {
            access_token: tokens.access_token.to_string(),
            access_token_expires_at: tokens.access_token_expires_at,
            refresh_token: tokens.refresh_token.to_string(),
            rotated: tokens.rotated,
            is_undelivered: tokens.is_undelivered,
            refresh_token_expires_at: tokens.refresh_token_expires_at,
            id_token: tokens.id_token.as_ref().map(|token| token.to_string()),
            renewed_by: tokens.renewed_by,
            renewed_at: tokens.renewed_at,
            scope: tokens.scope.clone(),
            begun: tokens.begun.as_ref().map(|begun| {
                Box::new(StoredSession {
                    id: begun.session.id.0,
                    started_at: begun.session.started_at,
                    csrf: begun.csrf.to_vec(),
                    is_provisional: begun.session.binding == Binding::Provisional,
                })
            }),
        },
        Err(ErrorCode::SessionExpired) => Stored::Refused(Failure::SessionExpired),
        Err(ErrorCode::AuthorizationError) => Stored::Refused(Failure::Rejected),
        Err(ErrorCode::AuthorizationServerBusy { retry_after }) => Stored::Refused(Failure::Busy {
            retry_after: *retry_after,
        }),
        Err(ErrorCode::LoginRequired) => Stored::Refused(Failure::LoginRequired),
        Err(ErrorCode::InsufficientUserAuthentication) => Stored::Refused(Failure::InsufficientUserAuthentication),
        Err(
            ErrorCode::AuthorizationServerError
            | ErrorCode::RefreshUnavailable
            | ErrorCode::ServerError
            | ErrorCode::UnauthorizedRequest
            | ErrorCode::InvalidRequest
            | ErrorCode::PayloadTooLarge
            | ErrorCode::UnsupportedMediaType
            | ErrorCode::TokenExpired
            | ErrorCode::DeviceBindingRequired
            | ErrorCode::DeviceChallenge
            | ErrorCode::Prefetch
            | ErrorCode::NotFound
            | ErrorCode::MethodNotAllowed,
        ) => Stored::Refused(Failure::Unavailable),
    };
    // The digest prevents an attacker with write access to Redis from replacing the result of one exchange with that of
    // another.
    let json = Zeroizing::new(serde_json::to_vec(&(key.digest(), stored)).ok()?);
    let now = clock::now();
    let content = Content {
        value: &json,
        session: key.session(),
        began_at: now,
        expires_at: now.saturating_add(seconds).saturating_add(MAX_CLOCK_SKEW_SECONDS),
    };
    sealer.seal(Purpose::RefreshToken, &content, random::bytes().ok()?).ok()
}

/// Opens a result that was sealed for this key; `None` for anything else.
pub(super) fn open(sealer: &RotatingSealer, key: RefreshKey, sealed: &[u8]) -> Option<RefreshOutcome> {
    let opened = sealer.open(Purpose::RefreshToken, sealed, clock::now()).ok()?;
    let (digest, stored): ([u8; 32], Stored) = serde_json::from_slice(&opened.value).ok()?;
    if opened.session != Some(key.session()) || digest != *key.digest() {
        return None;
    }
    Some(match stored {
        Stored::Renewed {
            access_token,
            access_token_expires_at,
            refresh_token,
            rotated,
            is_undelivered,
            refresh_token_expires_at,
            id_token,
            renewed_by,
            renewed_at,
            scope,
            begun,
        } => Ok(Arc::new(RenewedTokens {
            access_token: access_token.into(),
            access_token_expires_at,
            refresh_token: refresh_token.into(),
            rotated,
            is_undelivered,
            refresh_token_expires_at,
            id_token: id_token.map(Into::into),
            renewed_by,
            renewed_at,
            scope,
            begun: begun.map(|begun| BegunSession {
                session: Session {
                    id: SessionId(begun.id),
                    started_at: begun.started_at,
                    binding: match begun.is_provisional {
                        true => Binding::Provisional,
                        false => Binding::Unbound,
                    },
                },
                csrf: begun.csrf.into(),
            }),
        })),
        Stored::Refused(Failure::SessionExpired) => Err(ErrorCode::SessionExpired),
        Stored::Refused(Failure::Rejected) => Err(ErrorCode::AuthorizationError),
        Stored::Refused(Failure::Busy { retry_after }) => Err(ErrorCode::AuthorizationServerBusy { retry_after }),
        Stored::Refused(Failure::LoginRequired) => Err(ErrorCode::LoginRequired),
        Stored::Refused(Failure::InsufficientUserAuthentication) => Err(ErrorCode::InsufficientUserAuthentication),
        Stored::Refused(Failure::Unavailable) => Err(ErrorCode::AuthorizationServerError),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::session::cookies::keys::CookieKeys;
    use crate::session::refresh::store::tests::renewed;

    fn keys() -> Arc<CookieKeys> {
        let config = r#"
            demo = true
            trusted_web_origins = ["https://www.example.com"]
            authorization_server.issuer = "http://127.0.0.1:1"
            client.id = "spa"
            client.secret = "secret"
            client.redirect_uri = "https://www.example.com/"
            keys.ring = "8f0f3f7c0e5d4b6a9c2e1d3b5a7f9e8d6c4b2a1f0e9d8c7b6a5f4e3d2c1b0a98"
        "#;
        CookieKeys::new(&Config::parse(config, |_| None).unwrap())
    }

    fn key(session: u8, refresh_token: &str) -> RefreshKey {
        RefreshKey::new(SessionId([session; 32]), refresh_token)
    }

    /// An attacker with write access to Redis could replace the result of one exchange with that of another.
    #[test]
    fn an_outcome_opens_for_its_own_session_and_refresh_token_alone() {
        let sealer = keys().for_refreshes();
        let own = key(1, "a");
        let tokens = renewed("new", true, clock::now() + 300);
        for outcome in [
            tokens,
            Err(ErrorCode::SessionExpired),
            Err(ErrorCode::AuthorizationError),
            Err(ErrorCode::AuthorizationServerError),
            Err(ErrorCode::AuthorizationServerBusy { retry_after: Some(7) }),
            Err(ErrorCode::AuthorizationServerBusy { retry_after: None }),
            Err(ErrorCode::LoginRequired),
            Err(ErrorCode::InsufficientUserAuthentication),
        ] {
            let sealed = seal(&sealer, own, &outcome, 30).unwrap();
            let opened = open(&sealer, own, sealed.as_bytes()).unwrap();
            assert_eq!(opened.as_ref().err(), outcome.as_ref().err());
            for other in [
                key(1, "b"),
                key(2, "a"),
                key(2, "b"),
                RefreshKey::new(SessionId::NONE, "a"),
                RefreshKey::of_login("state", "verifier", "a"),
            ] {
                assert!(open(&sealer, other, sealed.as_bytes()).is_none());
            }
        }
    }

    #[test]
    fn an_outcome_is_whatever_was_sealed_as_one_and_nothing_else() {
        let keys = keys();
        let own = key(1, "a");
        let outcome = renewed("new", true, clock::now() + 300);
        let sealed = seal(&keys.for_refreshes(), own, &outcome, 30).unwrap();
        for other in [keys.for_cookies(), keys.for_logouts()] {
            assert!(open(&other, own, sealed.as_bytes()).is_none());
            let elsewhere = seal(&other, own, &outcome, 30).unwrap();
            assert!(open(&keys.for_refreshes(), own, elsewhere.as_bytes()).is_none());
        }
        for cut in [&sealed[..sealed.len() - 1], &sealed[1..], ""] {
            assert!(open(&keys.for_refreshes(), own, cut.as_bytes()).is_none());
        }
    }
}
