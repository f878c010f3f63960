//! The pending logins of a browser: the content of the login cookie or the navigation cookie.
//!
//! It is a list, because every tab may start a login. It is bounded, because a page may start logins in a loop, and
//! cookies must not accumulate.

use std::collections::HashSet;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SubjectHash;
use bff_core::encoding::base64url;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cookies::response::SameSite;
use crate::oauth::IdTokenRequirements;

/// Maximum number of pending logins: the newest stay.
pub const MAX_PENDING_LOGINS: usize = 5;

/// A pending login: an authorization request without a response.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingLogin {
    /// `state` of the authorization request.
    pub state: String,
    /// `nonce` of the authorization request.
    pub nonce: String,
    /// PKCE code verifier.
    pub code_verifier: String,
    /// The time at which the login expires, in seconds since 1970.
    pub expires_at: u64,
    /// The requirements of the authorization request for the ID token.
    #[serde(default, flatten)]
    pub requirements: IdTokenRequirements,
    /// The URL for the browser after the login, in the navigation variant. `None`: a page completes the login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<String>,
    /// Digest of the issuer, the client and the redirect URI of the login. `None` in a login of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_for: Option<String>,
}

impl PendingLogin {
    /// The value of [`PendingLogin::begun_for`] for this issuer, client and redirect URI.
    pub fn digest(issuer: &str, client_id: &str, redirect_uri: &str) -> String {
        // Neither a client identifier nor a URL contains a line feed.
        let digest = SubjectHash::of(issuer, &format!("{client_id}\n{redirect_uri}"));
        base64url::encode(&digest.0)
    }
}

/// How a login is completed. Each way has its own cookie: browsers send that of pages only with requests from this
/// site, so a navigation from another site cannot replace it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finish {
    /// By a page, at `/login/end`.
    ByPage,
    /// By a navigation, to `/callback`.
    ByNavigation,
}

impl Finish {
    /// The purpose of the cookie.
    pub fn purpose(self) -> Purpose {
        match self {
            Finish::ByPage => Purpose::Login,
            Finish::ByNavigation => Purpose::NavigationLogin,
        }
    }

    /// `SameSite` of the cookie. A login that a navigation completes needs a cookie that the browser sends when it
    /// returns from the authorization server.
    pub fn same_site(self) -> SameSite {
        match self {
            Finish::ByPage => SameSite::Strict,
            Finish::ByNavigation => SameSite::Lax,
        }
    }
}

/// Pending logins that are completed in the same way, oldest first.
#[derive(Clone)]
pub struct PendingLogins {
    by: Finish,
    logins: Vec<PendingLogin>,
}

impl PendingLogins {
    /// An empty list.
    pub fn none(by: Finish) -> PendingLogins {
        PendingLogins { by, logins: Vec::new() }
    }

    /// The logins in these contents of login cookies: there are several contents after a change of configuration, or if
    /// a sibling domain has planted one. Omits expired logins, and those that are completed in another way. `None` if
    /// no content is a list of logins.
    pub fn parse<'c>(by: Finish, contents: impl IntoIterator<Item = &'c [u8]>, now: u64) -> Option<PendingLogins> {
        let lists = contents
            .into_iter()
            .filter_map(|content| serde_json::from_slice::<Vec<PendingLogin>>(content).ok());
        let mut logins = lists.reduce(|mut all, list| {
            all.extend(list);
            all
        })?;
        let is_ours = |login: &PendingLogin| login.return_to.is_some() == (by == Finish::ByNavigation);
        logins.retain(|login| login.expires_at > now && is_ours(login));
        logins.sort_by_key(|login| login.expires_at);
        // A login in two cookies is one login, which is completed once.
        let mut seen = HashSet::new();
        logins.retain(|login| seen.insert(login.state.clone()));
        Some(PendingLogins { by, logins })
    }

    /// How these logins are completed.
    pub fn finish(&self) -> Finish {
        self.by
    }

    /// Adds a login, and drops the oldest if there are too many.
    pub fn add(&mut self, login: PendingLogin) {
        self.logins.push(login);
        self.keep_newest();
    }

    /// Keeps only the newest logins.
    pub fn keep_newest(&mut self) {
        let surplus = self.logins.len().saturating_sub(MAX_PENDING_LOGINS);
        self.logins.drain(..surplus);
    }

    /// Drops the oldest of several logins. Returns whether it dropped one.
    pub fn drop_oldest(&mut self) -> bool {
        let has_several = self.logins.len() > 1;
        if has_several {
            self.logins.remove(0);
        }
        has_several
    }

    /// Removes and returns the login with this `state`. Compares every entry in constant time.
    pub fn take(&mut self, state: &str) -> Option<PendingLogin> {
        let mut found = None;
        for (index, login) in self.logins.iter().enumerate() {
            if bool::from(login.state.as_bytes().ct_eq(state.as_bytes())) {
                found = Some(index);
            }
        }
        found.map(|index| self.logins.remove(index))
    }

    /// The latest expiry time, in seconds since 1970; `None` if the list is empty.
    pub fn expires_at(&self) -> Option<u64> {
        self.logins.iter().map(|login| login.expires_at).max()
    }

    /// The content of the cookie.
    ///
    /// # Errors
    /// Serialization failed.
    pub fn to_content(&self) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        serde_json::to_vec(&self.logins).map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(state: &str, expires_at: u64) -> PendingLogin {
        PendingLogin {
            state: state.to_owned(),
            nonce: format!("nonce of {state}"),
            code_verifier: format!("verifier of {state}"),
            expires_at,
            requirements: IdTokenRequirements::default(),
            return_to: None,
            begun_for: None,
        }
    }

    #[test]
    fn the_newest_five_are_kept() {
        let mut logins = PendingLogins::none(Finish::ByPage);
        for number in 1..=7 {
            logins.add(login(&number.to_string(), 100));
        }
        assert!(logins.take("1").is_none());
        assert!(logins.take("2").is_none());
        for number in 3..=7 {
            assert!(logins.take(&number.to_string()).is_some(), "{number}");
        }
        assert_eq!(logins.expires_at(), None);
    }

    #[test]
    fn a_login_is_taken_once() {
        let mut logins = PendingLogins::none(Finish::ByPage);
        logins.add(login("a", 100));
        assert_eq!(logins.take("a").map(|login| login.nonce).as_deref(), Some("nonce of a"));
        assert!(logins.take("a").is_none());
    }

    #[test]
    fn the_empty_state_and_parts_of_a_state_match_nothing() {
        let mut logins = PendingLogins::none(Finish::ByPage);
        logins.add(login("abc", 100));
        assert!(logins.take("").is_none());
        assert!(logins.take("ab").is_none());
        assert!(logins.take("abcd").is_none());
    }

    #[test]
    fn the_content_reads_back_without_the_expired() {
        let mut logins = PendingLogins::none(Finish::ByPage);
        logins.add(login("old", 50));
        logins.add(PendingLogin {
            requirements: IdTokenRequirements {
                max_age: Some(60),
                ..IdTokenRequirements::default()
            },
            ..login("new", 100)
        });
        let content = logins.to_content().unwrap();
        let mut logins = PendingLogins::parse(Finish::ByPage, [content.as_slice()], 50).unwrap();
        assert_eq!(logins.expires_at(), Some(100));
        assert!(logins.take("old").is_none());
        assert_eq!(logins.take("new").unwrap().requirements.max_age, Some(60));
    }

    #[test]
    fn what_is_no_list_of_logins_is_refused() {
        for content in ["", "{}", "[1]", "[{}]", "\u{0}"] {
            assert!(
                PendingLogins::parse(Finish::ByPage, [content.as_bytes()], 0).is_none(),
                "{content:?}"
            );
        }
    }
}
