//! One variant, and the check that its filter does its work.

use std::rc::Rc;

use crate::http::Connection;
use crate::load::Requests;
use crate::result::Result;

/// A variant.
pub(crate) struct Variant {
    pub(crate) name: String,
    /// The name of its base, bare Envoy with the same requests; its own name if it is one.
    pub(crate) base: String,
    pub(crate) requests: Requests,
    /// What must and must not reach the API; `None` if the request must not reach it.
    pub(crate) expected: Option<Expected>,
}

/// What must and must not reach the API.
pub(crate) struct Expected {
    pub(crate) authorization: bool,
    /// The length of the access token after `Bearer `, in bytes; `None` if it is not checked.
    pub(crate) token_length: Option<usize>,
    pub(crate) our_cookies: bool,
}

impl Expected {
    /// Whether the API received what it must receive, and nothing else.
    fn is_met_by(&self, authorization: Option<&str>, cookie: Option<&str>) -> bool {
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let has_right_length = match self.token_length {
            None => true,
            Some(length) => token.is_some_and(|token| token.len() == length),
        };
        authorization.is_some() == self.authorization && has_right_length && cookie.is_some() == self.our_cookies
    }
}

impl Variant {
    /// Sends one request, and checks that the filter did its work. After that the API no longer returns the requests that it
    /// receives.
    pub(crate) async fn check(&mut self) -> Result<()> {
        let failed = |what: String| format!("checking the variant {} failed: {what}", self.name);
        let request = self.requests.list.first().cloned().unwrap_or_default();
        let mut connection = Connection::to(self.requests.port)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let response = connection
            .exchange(&request)
            .await
            .map_err(|error| failed(error.to_string()))?;
        if response.status() != self.requests.status {
            let (expected, head, body) = (self.requests.status, response.head(), response.body());
            return Err(failed(format!("expected HTTP {expected}, received: {head}{body}")));
        }
        if let Some(expected) = &self.expected {
            let seen = response.body();
            let lines = || seen.lines().filter_map(|line| line.split_once(": "));
            let value = |header: &str| {
                lines()
                    .find(|(name, _)| name.eq_ignore_ascii_case(header))
                    .map(|(_, value)| value)
            };
            if !expected.is_met_by(value("authorization"), value("cookie")) {
                return Err(failed(format!(
                    "the filter did not change the request as expected: the API received\n{seen}"
                )));
            }
        }
        let quiet = |request: &Vec<u8>| {
            let text = String::from_utf8_lossy(request).replacen(" /echo ", " /api/data ", 1);
            text.into_bytes()
        };
        let list = self.requests.list.iter().map(quiet).collect();
        self.requests.list = Rc::new(list);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_must_forward_a_token_of_the_right_length() {
        let expected = Expected {
            authorization: true,
            token_length: Some(3),
            our_cookies: false,
        };
        assert!(expected.is_met_by(Some("Bearer abc"), None));
        assert!(!expected.is_met_by(Some("Bearer abcd"), None), "another token");
        assert!(!expected.is_met_by(Some("Basic abc"), None), "no token");
        assert!(!expected.is_met_by(None, None), "nothing");
        assert!(!expected.is_met_by(Some("Bearer abc"), Some("a=b")), "a cookie");
    }

    #[test]
    fn a_bare_variant_must_forward_cookies_and_no_token() {
        let expected = Expected {
            authorization: false,
            token_length: None,
            our_cookies: true,
        };
        assert!(expected.is_met_by(None, Some("a=b")));
        assert!(!expected.is_met_by(Some("Bearer abc"), Some("a=b")));
        assert!(!expected.is_met_by(None, None));
    }
}
