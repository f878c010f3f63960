//! What is known of an active token: the headers that the API gets in its place, and what each request checks.

use serde_json::{Map, Value};

use super::bearer;
use super::rejection::Rejection;
use super::requirement::{Requirement, all_scopes};
use crate::encoding::base64url;
use crate::jwt;

/// What is known of an active token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenInfo {
    headers: Vec<(String, Vec<u8>)>,
    /// `scope` (RFC 8693, section 4.2), and `scp`, as some servers call it.
    scopes: Vec<String>,
    /// `aud` (RFC 7519, section 4.1.3).
    audiences: Vec<String>,
    binding: Binding,
}

/// The key that a client must hold to use a token (`cnf`, RFC 7800).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Binding {
    /// Any client that has it.
    #[default]
    None,
    /// The holder of the certificate with this SHA-256 (RFC 8705, section 3.1).
    Certificate([u8; 32]),
    /// The holder of a key that is not checked here, such as that of a DPoP proof.
    Other,
}

/// Where a request's token comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenSource {
    /// A cookie of ours. The service obtained the token, and holds the key that it is bound to.
    Cookie,
    /// `Authorization`, from the client itself.
    Bearer {
        /// Whether it must be bound to the client's certificate.
        must_be_bound: bool,
    },
}

/// The claims are malformed, or cannot be put into a header; the text is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnusableClaims(pub(crate) &'static str);

impl TokenInfo {
    /// The token itself goes upstream, and nothing is known of it.
    pub fn bearer(token: &[u8]) -> Self {
        Self {
            headers: vec![bearer::header(token)],
            ..Self::default()
        }
    }

    /// What the claims say of a token, with these headers upstream.
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
        })
    }

    /// Takes what another member of the same answer says of the binding: a token that is bound by either is bound.
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

    /// The headers for the API: a name in lower case and one value each.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Checks binding, audience and scopes. `certificate` gives the SHA-256 of the client's certificate, and is asked only
    /// for a bound token.
    pub(crate) fn check<'a>(
        &self,
        source: TokenSource,
        requirements: impl IntoIterator<Item = &'a Requirement, IntoIter: Clone>,
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
        for requirement in requirements.clone() {
            let is_for = |audience: &String| self.audiences.contains(audience);
            if !requirement.audience.as_ref().is_none_or(is_for) {
                return Err(Rejection::invalid_token(bearer, "the token is for another audience"));
            }
            has_scopes &= requirement.scopes.iter().all(|scope| self.scopes.contains(scope));
        }
        match has_scopes {
            true => Ok(()),
            false => Err(Rejection::insufficient_scope(bearer, all_scopes(requirements))),
        }
    }

    /// Its size in memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| name.len().saturating_add(value.len()));
        let words = self.scopes.iter().chain(&self.audiences).map(String::len);
        // Each text has its own allocation besides.
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
        // RFC 7800, section 3.1: one key and no more. A key id may stand beside the URL of the key set that has it.
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
    const BOUND: TokenSource = TokenSource::Bearer { must_be_bound: true };

    fn info(claims: &Value) -> Result<TokenInfo, UnusableClaims> {
        TokenInfo::of_claims(claims.as_object().unwrap(), Vec::new())
    }

    fn meets(claims: &Value, scope: Option<&str>, audience: Option<&str>) -> bool {
        let requirement = Requirement {
            scopes: scope.map(str::to_owned).into_iter().collect(),
            audience: audience.map(str::to_owned),
        };
        info(claims).unwrap().check(BEARER, [&requirement], || None).is_ok()
    }

    #[test]
    fn scopes_and_audience_are_read_in_each_of_their_forms() {
        for good in [
            json!({"scope": "a data"}),
            json!({"scp": ["a", "data"]}),
            json!({"scope": ["data"]}),
        ] {
            assert!(meets(&good, Some("data"), None), "{good}");
        }
        for bad in [
            json!({"scope": "database"}),
            json!({"scope": 1}),
            json!({}),
            json!({"scp": [["data"]]}),
        ] {
            assert!(!meets(&bad, Some("data"), None), "{bad}");
        }
        for good in [json!({"aud": "api"}), json!({"aud": ["b", "api"]})] {
            assert!(meets(&good, None, Some("api")), "{good}");
        }
        for bad in [
            json!({"aud": "apis"}),
            json!({"aud": "b api"}),
            json!({"aud": []}),
            json!({"aud": null}),
            json!({"aud": 5}),
            json!({"aud": {"api": true}}),
            // Not a list of strings (RFC 7519, section 4.1.3), so nothing that it holds counts.
            json!({"aud": ["api", null]}),
            json!({"aud": ["api", ["api"]]}),
            json!({}),
        ] {
            assert!(!meets(&bad, None, Some("api")), "{bad}");
        }
    }

    #[test]
    fn every_requirement_counts_the_entry_points_and_the_routes() {
        let scope = |scope: &str| Requirement {
            scopes: vec![scope.to_owned()],
            audience: None,
        };
        let both = info(&json!({"scope": "a b"})).unwrap();
        assert!(both.check(BEARER, [&scope("a"), &scope("b")], || None).is_ok());
        let one = info(&json!({"scope": "a"})).unwrap();
        assert!(one.check(BEARER, [&scope("a"), &scope("b")], || None).is_err());
    }

    #[test]
    fn a_bound_token_needs_the_certificate_that_it_is_bound_to() {
        let bound = info(&json!({"cnf": {"x5t#S256": base64url::encode(&[5; 32])}})).unwrap();
        for source in [BEARER, BOUND] {
            assert!(bound.check(source, [], || Some([5; 32])).is_ok());
            assert!(bound.check(source, [], || Some([6; 32])).is_err());
            assert!(bound.check(source, [], || None).is_err());
        }
        assert!(
            bound.check(TokenSource::Cookie, [], || None).is_ok(),
            "the service's own certificate"
        );
        let free = info(&json!({})).unwrap();
        assert!(free.check(BEARER, [], || None).is_ok());
        assert!(free.check(BOUND, [], || Some([5; 32])).is_err());
        let dpop = info(&json!({"cnf": {"jkt": "abc"}})).unwrap();
        assert!(dpop.check(BEARER, [], || None).is_err() && dpop.check(BOUND, [], || Some([5; 32])).is_err());
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
