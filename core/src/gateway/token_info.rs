//! Information about an active token: the headers that the API receives instead of it, and what each request checks.

use serde_json::{Map, Value};

use super::authentication::Authentication;
use super::bearer;
use super::error_code::ErrorCode;
use super::rejection::Rejection;
use super::requirement::{Requirement, all_authentication, all_scopes};
use crate::encoding::base64url;
use crate::jwt;

/// Information about an active access token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenInfo {
    pub(super) headers: Vec<(String, Vec<u8>)>,
    /// From `scope` (RFC 8693, section 4.2) and `scp`, as some authorization servers call it.
    pub(super) scopes: Vec<String>,
    /// From `aud` (RFC 7519, section 4.1.3).
    pub(super) audiences: Vec<String>,
    pub(super) binding: Binding,
    pub(super) authentication: Authentication,
    /// When the caller's token expires, in seconds since 1970; `None` if nothing says so. After an exchange it may be the
    /// expiry of the new token instead: see `token_exchange::response`.
    pub(super) expires_at: Option<u64>,
}

/// The key that a caller must possess to use a token (`cnf`, RFC 7800).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Binding {
    /// No key: any caller may use the token.
    #[default]
    None,
    /// The key of the certificate with this SHA-256 hash (RFC 8705, section 3.1).
    Certificate([u8; 32]),
    /// A key that is not checked here, such as that of a DPoP proof.
    Other,
}

/// Where the access token of a request is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenSource {
    /// In a cookie of the service, which obtained the token and has any key that it is bound to.
    Cookie,
    /// In `Authorization`, from the caller itself.
    Bearer {
        /// Whether the token must be bound to the client certificate of the connection.
        must_be_bound: bool,
    },
}

/// The response or the claims in it cannot be used. The string is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnusableClaims(pub(crate) &'static str);

impl TokenInfo {
    /// Creates the information about a token that is forwarded itself, and of which nothing else is known.
    pub fn bearer(token: &[u8]) -> Self {
        Self {
            headers: vec![bearer::header(token)],
            ..Self::default()
        }
    }

    /// Creates the information from the claims of a token and the headers for the API. The expiry is unset.
    pub(crate) fn of_claims(
        claims: &Map<String, Value>,
        headers: Vec<(String, Vec<u8>)>,
    ) -> Result<Self, UnusableClaims> {
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let scopes = |name: &str| match claims.get(name) {
            Some(Value::String(list)) => owned(list.split(' ').collect()),
            Some(Value::Array(list)) => owned(list.iter().filter_map(Value::as_str).collect()),
            _ => Vec::new(),
        };
        Ok(Self {
            headers,
            scopes: scopes("scope").into_iter().chain(scopes("scp")).collect(),
            audiences: jwt::audiences(claims).map(owned).unwrap_or_default(),
            binding: Binding::of(claims)?,
            authentication: Authentication::of(claims),
            expires_at: None,
        })
    }

    /// Adds the binding of further claims about the same token: a token that either of them binds is bound.
    pub(crate) fn bound_as_well_by(mut self, claims: &Map<String, Value>) -> Result<Self, UnusableClaims> {
        self.binding = match (self.binding, Binding::of(claims)?) {
            (one, other) if one == other => one,
            (Binding::None, other) => other,
            (one, Binding::None) => one,
            (Binding::Certificate(_) | Binding::Other, Binding::Certificate(_) | Binding::Other) => {
                return Err(UnusableClaims(
                    "introspection response: `cnf` binds the token to two keys",
                ));
            }
        };
        Ok(self)
    }

    /// Returns the headers for the API: names in lower case, with one value each.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Checks binding, audience, scopes and the user's authentication at the time `now`, in seconds since 1970. `certificate`
    /// returns the SHA-256 hash of the client certificate. It is called only for a bearer token that is bound to a
    /// certificate.
    pub(crate) fn check<'a>(
        &self,
        source: TokenSource,
        requirements: impl IntoIterator<Item = &'a Requirement, IntoIter: Clone>,
        now: u64,
        certificate: impl FnOnce() -> Option<[u8; 32]>,
    ) -> Result<(), Rejection> {
        let bearer = source != TokenSource::Cookie;
        if let TokenSource::Bearer { must_be_bound } = source {
            match self.binding {
                Binding::None if must_be_bound => {
                    return Err(Rejection::invalid_token(
                        true,
                        "the token is not bound to a certificate",
                    ));
                }
                Binding::None => {}
                Binding::Certificate(thumbprint) if certificate() == Some(thumbprint) => {}
                Binding::Certificate(_) => {
                    return Err(Rejection::invalid_token(
                        true,
                        "the token is bound to another certificate",
                    ));
                }
                Binding::Other => {
                    let details = "the token is bound to a key whose proof the gateway does not check";
                    return Err(Rejection::invalid_token(true, details));
                }
            }
        }
        let requirements = requirements.into_iter();
        let mut has_scopes = true;
        let mut needs_authentication = false;
        for requirement in requirements.clone() {
            let is_for = |audience: &String| self.audiences.contains(audience);
            if !requirement.audience.as_ref().is_none_or(is_for) {
                return Err(Rejection::other_audience(bearer));
            }
            has_scopes &= requirement.scopes.iter().all(|scope| self.scopes.contains(scope));
            needs_authentication |= requirement.authentication.is_some();
        }
        // The scopes first: no user authenticates again for what the token does not permit anyway.
        if !has_scopes {
            return Err(Rejection::insufficient_scope(bearer, all_scopes(requirements)));
        }
        match needs_authentication {
            true => self.check_authentication(bearer, requirements, now),
            false => Ok(()),
        }
    }

    /// Checks the user's authentication. A function of its own, since most entry points and routes require nothing of
    /// it.
    #[inline(never)]
    fn check_authentication<'a>(
        &self,
        bearer: bool,
        requirements: impl Iterator<Item = &'a Requirement> + Clone,
        now: u64,
    ) -> Result<(), Rejection> {
        let mut required = requirements
            .clone()
            .filter_map(|requirement| requirement.authentication.as_deref());
        let checked = required.try_for_each(|required| required.check(&self.authentication, now));
        checked.map_err(|details| match all_authentication(requirements) {
            Some(required) => Rejection::insufficient_authentication(bearer, required, details),
            None => Rejection::new(
                ErrorCode::ServerError,
                "no acr meets both the entry point's required_acr and the route's",
            ),
        })
    }

    /// Returns the approximate size in memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| name.len().saturating_add(value.len()));
        let words = self
            .scopes
            .iter()
            .chain(&self.audiences)
            .chain(&self.authentication.acr);
        let words = words.map(String::len);
        // Each string has its own allocation.
        headers
            .chain(words)
            .fold(64usize, |sum, len| sum.saturating_add(len).saturating_add(32))
    }
}

impl Binding {
    fn of(claims: &Map<String, Value>) -> Result<Self, UnusableClaims> {
        let not_understood = UnusableClaims("introspection response: malformed `cnf`");
        let members = match claims.get("cnf") {
            None => return Ok(Self::None),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(not_understood),
        };
        // RFC 7800, section 3.1: one key and no more. A `kid` may accompany `jku`, the URL of a key set.
        const METHODS: [&str; 6] = ["jwk", "jwe", "jku", "x5t#S256", "jkt", "osc"];
        let methods = METHODS.iter().filter(|method| members.contains_key(**method)).count();
        let is_named = members.contains_key("kid") && !members.contains_key("jku");
        if methods > 1 || (methods == 1 && is_named) {
            return Err(UnusableClaims(
                "introspection response: `cnf` binds the token to two keys",
            ));
        }
        match members.get("x5t#S256") {
            Some(Value::String(thumbprint)) => base64url::decode(thumbprint.as_bytes())
                .and_then(|bytes| bytes.try_into().ok())
                .map(Self::Certificate)
                .ok_or(not_understood),
            Some(_) => Err(not_understood),
            None => Ok(Self::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BEARER: TokenSource = TokenSource::Bearer { must_be_bound: false };
    const NOW: u64 = 1_800_000_000;
    const BOUND: TokenSource = TokenSource::Bearer { must_be_bound: true };

    fn info(claims: &Value) -> Result<TokenInfo, UnusableClaims> {
        TokenInfo::of_claims(claims.as_object().unwrap(), Vec::new())
    }

    fn is_sufficient(claims: &Value, scope: Option<&str>, audience: Option<&str>) -> bool {
        let requirement = Requirement {
            scopes: scope.map(str::to_owned).into_iter().collect(),
            audience: audience.map(str::to_owned),
            ..Requirement::default()
        };
        info(claims)
            .unwrap()
            .check(BEARER, [&requirement], NOW, || None)
            .is_ok()
    }

    #[test]
    fn scopes_and_audience_are_read_in_each_of_their_forms() {
        for sufficient in [
            json!({"scope": "a data"}),
            json!({"scp": ["a", "data"]}),
            json!({"scope": ["data"]}),
        ] {
            assert!(is_sufficient(&sufficient, Some("data"), None), "{sufficient}");
        }
        for insufficient in [
            json!({"scope": "database"}),
            json!({"scope": 1}),
            json!({}),
            json!({"scp": [["data"]]}),
        ] {
            assert!(!is_sufficient(&insufficient, Some("data"), None), "{insufficient}");
        }
        for sufficient in [json!({"aud": "api"}), json!({"aud": ["b", "api"]})] {
            assert!(is_sufficient(&sufficient, None, Some("api")), "{sufficient}");
        }
        for insufficient in [
            json!({"aud": "apis"}),
            json!({"aud": "b api"}),
            json!({"aud": []}),
            json!({"aud": null}),
            json!({"aud": 5}),
            json!({"aud": {"api": true}}),
            // Not a list of strings (RFC 7519, section 4.1.3), so that none of its members counts.
            json!({"aud": ["api", null]}),
            json!({"aud": ["api", ["api"]]}),
            json!({}),
        ] {
            assert!(!is_sufficient(&insufficient, None, Some("api")), "{insufficient}");
        }
    }

    #[test]
    fn every_requirement_counts_the_entry_points_and_the_routes() {
        let scope = |scope: &str| Requirement {
            scopes: vec![scope.to_owned()],
            ..Requirement::default()
        };
        let both = info(&json!({"scope": "a b"})).unwrap();
        assert!(both.check(BEARER, [&scope("a"), &scope("b")], NOW, || None).is_ok());
        let one = info(&json!({"scope": "a"})).unwrap();
        assert!(one.check(BEARER, [&scope("a"), &scope("b")], NOW, || None).is_err());
    }

    #[test]
    fn a_bound_token_needs_the_certificate_that_it_is_bound_to() {
        let bound = info(&json!({"cnf": {"x5t#S256": base64url::encode(&[5; 32])}})).unwrap();
        for source in [BEARER, BOUND] {
            assert!(bound.check(source, [], NOW, || Some([5; 32])).is_ok());
            assert!(bound.check(source, [], NOW, || Some([6; 32])).is_err());
            assert!(bound.check(source, [], NOW, || None).is_err());
        }
        assert!(
            bound.check(TokenSource::Cookie, [], NOW, || None).is_ok(),
            "the service's own certificate"
        );
        let free = info(&json!({})).unwrap();
        assert!(free.check(BEARER, [], NOW, || None).is_ok());
        assert!(free.check(BOUND, [], NOW, || Some([5; 32])).is_err());
        let dpop = info(&json!({"cnf": {"jkt": "abc"}})).unwrap();
        assert!(dpop.check(BEARER, [], NOW, || None).is_err() && dpop.check(BOUND, [], NOW, || Some([5; 32])).is_err());
    }

    #[test]
    fn a_binding_that_cannot_be_understood_is_no_missing_one() {
        for cnf in [
            json!(null),
            json!("x"),
            json!({"x5t#S256": 5}),
            json!({"x5t#S256": "short"}),
            json!({"x5t#S256": ""}),
        ] {
            assert!(info(&json!({"cnf": cnf})).is_err(), "{cnf}");
        }
        let bound = json!({"cnf": {"x5t#S256": base64url::encode(&[5; 32])}});
        let other = json!({"cnf": {"x5t#S256": base64url::encode(&[6; 32])}});
        let as_well = |one: &Value, other: &Value| info(one).unwrap().bound_as_well_by(other.as_object().unwrap());
        assert_eq!(as_well(&json!({}), &bound), info(&bound));
        assert_eq!(as_well(&bound, &json!({})), info(&bound));
        assert!(as_well(&bound, &other).is_err());
    }
}
