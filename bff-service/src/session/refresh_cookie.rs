//! The content of the refresh token cookie.

use std::borrow::Cow;

use bff_core::cookie::seal::Opened;
use bff_core::cookie::session_id::SessionId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

#[cfg(doc)]
use super::cookies::settings::CookieSettings;
use super::identity::ReplicaId;
use super::tokens::Tokens;

/// The content of the refresh token cookie, sealed as JSON.
pub struct RefreshContent {
    /// The refresh token.
    pub refresh_token: Zeroizing<String>,
    /// The session; `None` in a version 1 cookie.
    pub session: Option<SessionId>,
    /// The time of login, in seconds since 1970; `None` in a version 1 cookie.
    pub started_at: Option<u64>,
    /// The replica that received the token, and when (seconds since 1970); `None` in a version 1 cookie.
    pub renewed: Option<(ReplicaId, u64)>,
    /// The granted scope; `None` if the cookie has none.
    pub scope: Option<String>,
    /// The shape of the session's cookies, as [`CookieSettings::shape`]; `None` if unknown.
    pub shape: Option<String>,
    /// When the session ends if the user is not active, in seconds since 1970, as known when the tokens were received.
    /// The CSRF cookie has the current value. `None` if the session has no idle time.
    pub idle_ends_at: Option<u64>,
    /// When the session ends even if the user is active, in seconds since 1970.
    pub ends_at: u64,
}

/// The sealed content. The seal itself contains the session and its start.
#[derive(Serialize, Deserialize)]
struct SealedContent<'a> {
    refresh_token: Cow<'a, str>,
    /// Written but never read: the previous version reads the start of the session from this member, and refuses a
    /// cookie without it. Without it, a rolling upgrade or a rollback would sign users out. Remove it in the release
    /// after this one.
    #[serde(skip_deserializing)]
    started_at: u64,
    renewed_by: ReplicaId,
    /// Cookies of an earlier version are those of another process.
    #[serde(default)]
    renewed_at: u64,
    /// Cookies of an earlier version have no scope, and are refreshed without one, as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Cow<'a, str>>,
    /// Absent from cookies of an earlier version.
    #[serde(default)]
    shape: Option<String>,
    /// Absent from cookies of an earlier version, which expire with the idle time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle_ends_at: Option<u64>,
}

/// The content for the refresh token among `tokens`, in a session that began at `started_at`, has this `shape`, and
/// ends at `idle_ends_at` unless its user is active (both in seconds since 1970).
pub(super) fn content(
    refresh_token: &str,
    tokens: &Tokens<'_>,
    started_at: u64,
    shape: String,
    idle_ends_at: Option<u64>,
) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let content = SealedContent {
        refresh_token: refresh_token.into(),
        started_at,
        renewed_by: tokens.renewed_by,
        renewed_at: tokens.renewed_at,
        scope: tokens.scope.map(Cow::from),
        shape: Some(shape),
        idle_ends_at,
    };
    serde_json::to_vec(&content).map(Zeroizing::new)
}

impl RefreshContent {
    /// When the service received the token in an opened cookie, in seconds since 1970; 0 if unknown.
    pub fn renewed_at(opened: &Opened) -> u64 {
        let content = RefreshContent::parse(opened);
        content.and_then(|content| content.renewed).map_or(0, |(_, at)| at)
    }

    /// Parses an opened cookie. In version 1 the value is the token itself.
    pub fn parse(opened: &Opened) -> Option<RefreshContent> {
        if opened.session.is_none() {
            let token = std::str::from_utf8(&opened.value).ok()?;
            return Some(RefreshContent {
                refresh_token: token.to_owned().into(),
                session: None,
                started_at: None,
                renewed: None,
                scope: None,
                shape: None,
                idle_ends_at: None,
                ends_at: opened.expires_at,
            });
        }
        let content: SealedContent<'_> = serde_json::from_slice(&opened.value).ok()?;
        Some(RefreshContent {
            refresh_token: content.refresh_token.into_owned().into(),
            session: opened.session,
            started_at: Some(opened.began_at),
            renewed: Some((content.renewed_by, content.renewed_at)),
            scope: content.scope.map(Cow::into_owned),
            shape: content.shape,
            idle_ends_at: content.idle_ends_at,
            ends_at: opened.expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use bff_core::cookie::purpose::Purpose;
    use bff_core::cookie::seal::{Content, Sealer};
    use bff_core::crypto::key_ring::KeyRing;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn opened(value: &[u8], began_at: u64) -> Opened {
        let (ring, _) = KeyRing::parse(&"8f3a1c5e7b9d0246".repeat(4), true).unwrap();
        let sealer = Sealer::new(ring, "example", false);
        let content = Content {
            value,
            session: SessionId([7; 32]),
            began_at,
            expires_at: NOW + 60,
        };
        let sealed = sealer.seal(Purpose::RefreshToken, &content, [3; 24]).unwrap();
        sealer.open(Purpose::RefreshToken, sealed.as_bytes(), NOW).unwrap()
    }

    fn tokens() -> Tokens<'static> {
        Tokens {
            access_token: "at",
            access_token_expires_at: NOW + 300,
            refresh_token: Some("rt"),
            refresh_token_expires_at: None,
            scope: None,
            id_token: None,
            renewed_by: ReplicaId(1),
            renewed_at: NOW,
        }
    }

    #[test]
    fn the_start_of_a_session_is_the_one_in_the_seal() {
        let written = content("rt", &tokens(), NOW - 100, String::new(), None).unwrap();
        let read = RefreshContent::parse(&opened(&written, NOW - 100)).unwrap();
        assert_eq!(read.started_at, Some(NOW - 100));
        assert_eq!(read.refresh_token.as_str(), "rt");
    }

    #[test]
    fn cookies_of_the_build_before_and_of_the_one_after_are_read() {
        for members in [r#","started_at":5"#, ""] {
            let value = format!(r#"{{"refresh_token":"rt","renewed_by":1{members}}}"#);
            let read = RefreshContent::parse(&opened(value.as_bytes(), NOW - 100)).unwrap();
            assert_eq!(read.started_at, Some(NOW - 100), "{value}");
        }
    }

    #[test]
    fn the_build_before_finds_the_start_where_it_looks() {
        #[derive(Deserialize)]
        struct OfTheBuildBefore {
            refresh_token: String,
            started_at: u64,
            renewed_by: ReplicaId,
        }
        let written = content("rt", &tokens(), NOW - 100, String::new(), None).unwrap();
        let read: OfTheBuildBefore = serde_json::from_slice(&written).unwrap();
        assert_eq!(
            (read.refresh_token.as_str(), read.started_at, read.renewed_by),
            ("rt", NOW - 100, ReplicaId(1))
        );
    }
}
