//! The logins that a browser has begun and not yet finished: the content of the login cookie.
//!
//! A list, since every tab may begin one; bounded, since a page may begin them in a loop and cookies must not pile up.

use bff_core::seal::Opened;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::oauth::Demands;

/// How many pending logins are kept: the newest five.
pub const MAX_PENDING_LOGINS: usize = 5;

/// One authorization request on its way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingLogin {
    /// `state` of the authorization request.
    pub state: String,
    /// `nonce` of the authorization request.
    pub nonce: String,
    /// PKCE code verifier.
    pub code_verifier: String,
    /// After this time, in UNIX seconds, the login can no longer be finished.
    pub expires_at: u64,
    /// What the authorization request demanded of the ID token.
    #[serde(default, flatten)]
    pub demands: Demands,
    /// Where the browser goes when the login is over, in the navigation variant. `None`: a page finishes the login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<String>,
}

/// Pending logins, oldest first.
#[derive(Default)]
pub struct PendingLogins(Vec<PendingLogin>);

impl PendingLogins {
    /// Reads what a login cookie holds; `None` if that is no list of logins. Expired ones are left out.
    pub fn parse(content: &[u8], now: u64) -> Option<PendingLogins> {
        let mut logins: Vec<PendingLogin> = serde_json::from_slice(content).ok()?;
        logins.retain(|login| login.expires_at > now);
        Some(PendingLogins(logins))
    }

    /// Those of all login cookies that a request brought: several where a cookie was left over, or planted beside the
    /// browser's own. `None` where none of them holds a list of logins.
    pub fn of_cookies(opened: &[Opened], now: u64) -> Option<PendingLogins> {
        let lists = opened
            .iter()
            .filter_map(|opened| PendingLogins::parse(&opened.value, now));
        let mut all = lists.reduce(|mut all, list| {
            all.0.extend(list.0);
            all
        })?;
        all.0.sort_by_key(|login| login.expires_at);
        Some(all)
    }

    /// Adds a login, at the cost of the oldest where there are too many.
    pub fn add(&mut self, login: PendingLogin) {
        self.0.push(login);
        self.keep_newest(MAX_PENDING_LOGINS);
    }

    /// Drops all but the newest `count`.
    fn keep_newest(&mut self, count: usize) {
        let surplus = self.0.len().saturating_sub(count);
        self.0.drain(..surplus);
    }

    /// Takes out the login with this `state`. Every entry is compared, in constant time.
    pub fn take(&mut self, state: &str) -> Option<PendingLogin> {
        let mut found = None;
        for (index, login) in self.0.iter().enumerate() {
            if bool::from(login.state.as_bytes().ct_eq(state.as_bytes())) {
                found = Some(index);
            }
        }
        found.map(|index| self.0.remove(index))
    }

    /// When the last of them expires, in UNIX seconds; `None` where none is left.
    pub fn expires_at(&self) -> Option<u64> {
        self.0.iter().map(|login| login.expires_at).max()
    }

    /// Whether one of them ends with a navigation from the authorization server, and not with a call from a page.
    pub fn end_by_navigation(&self) -> bool {
        self.0.iter().any(|login| login.return_to.is_some())
    }

    /// The content of the login cookie: the newest of them.
    pub fn to_content(&self) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        let surplus = self.0.len().saturating_sub(MAX_PENDING_LOGINS);
        let newest = self.0.get(surplus..).unwrap_or_default();
        serde_json::to_vec(newest).map(Zeroizing::new)
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
            demands: Demands::default(),
            return_to: None,
        }
    }

    #[test]
    fn the_newest_five_are_kept() {
        let mut logins = PendingLogins::default();
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
        let mut logins = PendingLogins::default();
        logins.add(login("a", 100));
        assert_eq!(logins.take("a").map(|login| login.nonce).as_deref(), Some("nonce of a"));
        assert!(logins.take("a").is_none());
    }

    #[test]
    fn the_empty_state_and_parts_of_a_state_match_nothing() {
        let mut logins = PendingLogins::default();
        logins.add(login("abc", 100));
        assert!(logins.take("").is_none());
        assert!(logins.take("ab").is_none());
        assert!(logins.take("abcd").is_none());
    }

    #[test]
    fn the_content_reads_back_without_the_expired() {
        let mut logins = PendingLogins::default();
        logins.add(login("old", 50));
        logins.add(PendingLogin {
            demands: Demands {
                max_age: Some(60),
                ..Demands::default()
            },
            ..login("new", 100)
        });
        let content = logins.to_content().unwrap();
        let mut logins = PendingLogins::parse(&content, 50).unwrap();
        assert_eq!(logins.expires_at(), Some(100));
        assert!(logins.take("old").is_none());
        assert_eq!(logins.take("new").unwrap().demands.max_age, Some(60));
    }

    #[test]
    fn what_is_no_list_of_logins_is_refused() {
        for content in ["", "{}", "[1]", "[{}]", "\u{0}"] {
            assert!(PendingLogins::parse(content.as_bytes(), 0).is_none(), "{content:?}");
        }
    }
}
