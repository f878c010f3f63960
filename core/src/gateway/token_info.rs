//! What a good token is worth: the headers that the API gets in its place, and what is asked of it on each request.

use serde_json::{Map, Value};

use crate::encoding::base64url;
use crate::error_code::Refusal;
use crate::gateway::cookie_stage::Refused;

/// What a good token is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    headers: Vec<(String, Vec<u8>)>,
    /// `scope` (RFC 8693, 4.2), and `scp`, as some servers call it.
    scopes: Vec<String>,
    /// `aud` (RFC 7519, 4.1.3).
    audiences: Vec<String>,
    binding: Binding,
}

/// Who alone may use a token (`cnf`, RFC 7800).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Binding {
    /// Whoever has it.
    #[default]
    None,
    /// The holder of the certificate with this SHA-256 (RFC 8705, 3.1).
    Certificate([u8; 32]),
    /// The holder of a key that cannot be checked here: a DPoP proof, for example, is none of the filter's.
    Other,
}

/// What an entry point, or a route, requires of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// Scopes that it must have.
    pub scopes: Vec<String>,
    /// The audience that it must be for.
    pub audience: Option<String>,
}

impl Requirement {
    /// What a route's metadata say: scopes with spaces between them, and an audience. `None`: there is neither, or one of them
    /// is none (a number without quotes, a list, nothing): what somebody meant to require must not be left out.
    pub fn of_route(scopes: Option<&[u8]>, audience: Option<&[u8]>) -> Option<Self> {
        if scopes.is_none() && audience.is_none() {
            return None;
        }
        let scopes: Vec<String> = std::str::from_utf8(scopes.unwrap_or_default())
            .ok()?
            .split(' ')
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect();
        let audience = match audience.map(std::str::from_utf8).transpose().ok()? {
            Some(audience) if audience.is_empty() || audience.chars().any(char::is_control) => return None,
            audience => audience.map(str::to_owned),
        };
        scopes
            .iter()
            .all(|scope| is_scope(scope))
            .then_some(Self { scopes, audience })
    }
}

/// RFC 6749, 3.3: `scope-token`.
pub(crate) fn is_scope(scope: &str) -> bool {
    let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !scope.is_empty() && scope.bytes().all(legal)
}

/// How a token came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// In a cookie of ours. The service obtained it, and what it is bound to is the service's.
    Cookie,
    /// In `Authorization`, from the client itself.
    Bearer {
        /// Whether it must be bound to the client's certificate.
        must_be_bound: bool,
    },
}

/// The claims say something that cannot be understood, or cannot stand in a header; the text is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusable(pub(crate) &'static str);

impl Grant {
    /// The token itself goes upstream, and nothing is known of it.
    pub fn bearer(token: &[u8]) -> Self {
        Self {
            headers: vec![("authorization".to_owned(), [b"Bearer ", token].concat())],
            ..Self::default()
        }
    }

    /// What the claims say of a token, with these headers upstream.
    pub(crate) fn of_claims(claims: &Map<String, Value>, headers: Vec<(String, Vec<u8>)>) -> Result<Self, Unusable> {
        let words = |name: &str| match claims.get(name) {
            Some(Value::String(list)) => list.split(' ').map(str::to_owned).collect(),
            Some(Value::Array(_)) => strings(claims.get(name)),
            _ => Vec::new(),
        };
        Ok(Self {
            headers,
            scopes: words("scope").into_iter().chain(words("scp")).collect(),
            audiences: match claims.get("aud") {
                Some(Value::String(audience)) => vec![audience.clone()],
                other => strings(other),
            },
            binding: Binding::of(claims)?,
        })
    }

    /// Takes what another member of the same answer says of the binding: a token that is bound by either is bound.
    pub(crate) fn bound_as_well_by(mut self, claims: &Map<String, Value>) -> Result<Self, Unusable> {
        self.binding = match (self.binding, Binding::of(claims)?) {
            (one, other) if one == other => one,
            (Binding::None, other) => other,
            (one, Binding::None) => one,
            _ => return Err(Unusable("the introspection answer binds the token to two keys (cnf)")),
        };
        Ok(self)
    }

    /// The headers for the API: a name in lower case and one value each.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Whether the token is good enough; `certificate` gives the SHA-256 of the client's certificate, and is asked only
    /// where it matters.
    pub(crate) fn check<'a>(
        &self,
        carrier: Carrier,
        requirements: impl IntoIterator<Item = &'a Requirement, IntoIter: Clone>,
        certificate: impl FnOnce() -> Option<[u8; 32]>,
    ) -> Result<(), Refused> {
        let bearer = carrier != Carrier::Cookie;
        if let Carrier::Bearer { must_be_bound } = carrier {
            match self.binding {
                Binding::None if must_be_bound => {
                    return Err(Refused::token(true, "the token is not bound to a certificate"));
                }
                Binding::None => {}
                Binding::Certificate(thumbprint) if certificate() == Some(thumbprint) => {}
                Binding::Certificate(_) => {
                    return Err(Refused::token(true, "the token is bound to another certificate"));
                }
                Binding::Other => {
                    let why = "the token is bound to a key whose proof is not checked here";
                    return Err(Refused::token(true, why));
                }
            }
        }
        let requirements = requirements.into_iter();
        let mut has_scopes = true;
        for requirement in requirements.clone() {
            let is_for = |audience: &String| self.audiences.contains(audience);
            if !requirement.audience.as_ref().is_none_or(is_for) {
                return Err(Refused::token(bearer, "the token is for another audience"));
            }
            has_scopes &= requirement.scopes.iter().all(|scope| self.scopes.contains(scope));
        }
        match has_scopes {
            true => Ok(()),
            false => Err(Refused {
                refusal: Refusal::Forbidden,
                bearer_error: bearer.then_some("insufficient_scope"),
                scopes: all_scopes(requirements),
                why: "the token lacks a required scope",
            }),
        }
    }

    /// What it takes, in bytes.
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
    fn of(claims: &Map<String, Value>) -> Result<Self, Unusable> {
        let not_understood = Unusable("the introspection answer has a `cnf` that cannot be understood");
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
            return Err(Unusable("the introspection answer binds the token to two keys (cnf)"));
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

/// All scopes that are required, each of them once.
fn all_scopes<'a>(requirements: impl Iterator<Item = &'a Requirement>) -> Vec<String> {
    let mut all = Vec::new();
    for scope in requirements.flat_map(|requirement| &requirement.scopes) {
        if !all.contains(scope) {
            all.push(scope.clone());
        }
    }
    all
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BEARER: Carrier = Carrier::Bearer { must_be_bound: false };
    const BOUND: Carrier = Carrier::Bearer { must_be_bound: true };

    fn grant(claims: &Value) -> Result<Grant, Unusable> {
        Grant::of_claims(claims.as_object().unwrap(), Vec::new())
    }

    fn meets(claims: &Value, scope: Option<&str>, audience: Option<&str>) -> bool {
        let requirement = Requirement {
            scopes: scope.map(str::to_owned).into_iter().collect(),
            audience: audience.map(str::to_owned),
        };
        grant(claims).unwrap().check(BEARER, [&requirement], || None).is_ok()
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
        let both = grant(&json!({"scope": "a b"})).unwrap();
        assert!(both.check(BEARER, [&scope("a"), &scope("b")], || None).is_ok());
        let one = grant(&json!({"scope": "a"})).unwrap();
        assert!(one.check(BEARER, [&scope("a"), &scope("b")], || None).is_err());
    }

    #[test]
    fn a_bound_token_needs_the_certificate_that_it_is_bound_to() {
        let bound = grant(&json!({"cnf": {"x5t#S256": base64url::encode(&[5; 32])}})).unwrap();
        for carrier in [BEARER, BOUND] {
            assert!(bound.check(carrier, [], || Some([5; 32])).is_ok());
            assert!(bound.check(carrier, [], || Some([6; 32])).is_err());
            assert!(bound.check(carrier, [], || None).is_err());
        }
        assert!(
            bound.check(Carrier::Cookie, [], || None).is_ok(),
            "the service's own certificate"
        );
        let free = grant(&json!({})).unwrap();
        assert!(free.check(BEARER, [], || None).is_ok());
        assert!(free.check(BOUND, [], || Some([5; 32])).is_err());
        let dpop = grant(&json!({"cnf": {"jkt": "abc"}})).unwrap();
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
            assert!(grant(&json!({"cnf": cnf})).is_err(), "{cnf}");
        }
        let bound = json!({"cnf": {"x5t#S256": base64url::encode(&[5; 32])}});
        let other = json!({"cnf": {"x5t#S256": base64url::encode(&[6; 32])}});
        let as_well = |one: &Value, other: &Value| grant(one).unwrap().bound_as_well_by(other.as_object().unwrap());
        assert_eq!(as_well(&json!({}), &bound), grant(&bound));
        assert_eq!(as_well(&bound, &json!({})), grant(&bound));
        assert!(as_well(&bound, &other).is_err());
    }
}
