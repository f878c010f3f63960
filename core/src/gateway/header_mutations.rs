//! Changes to a request's headers before it is forwarded.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::token_info::TokenInfo;

/// The headers to remove and to set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMutations {
    /// Names of headers to remove.
    pub remove: SmallVec<[Cow<'static, str>; 3]>,
    /// New value of `Cookie`, if cookies are removed from it.
    cookie: Option<Vec<u8>>,
    /// The token whose headers replace the caller's credential.
    token: Option<Arc<TokenInfo>>,
}

impl HeaderMutations {
    /// Returns the headers to set, with one value each.
    pub fn headers_to_set(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let cookie = self.cookie.iter().map(|rest| ("cookie", rest.as_slice()));
        let token = self.token.iter().flat_map(|token| token.headers());
        cookie.chain(token)
    }

    /// Removes a header; a second call has no effect.
    pub(crate) fn remove(&mut self, name: &str) {
        if !self.remove.iter().any(|other| other == name) {
            self.remove.push(Cow::Owned(name.to_owned()));
        }
    }

    /// Replaces the request's cookies by these. `None` removes them all.
    pub(crate) fn replace_cookies(&mut self, cookies: Option<Vec<u8>>) {
        if cookies.is_none() {
            self.remove.push(Cow::Borrowed("cookie"));
        }
        self.cookie = cookies;
    }

    /// Sets the token's headers. The caller's own `Authorization` is never forwarded beside them.
    pub(crate) fn with_token(mut self, token: Arc<TokenInfo>) -> Self {
        if !token.headers().any(|(name, _)| name == "authorization") {
            self.remove.push(Cow::Borrowed("authorization"));
        }
        self.token = Some(token);
        self
    }
}
