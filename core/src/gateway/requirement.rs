//! What an entry point or a route requires of an access token.

use super::attributes::RequestAttributes;
use super::authentication::AuthenticationRequirement;
use super::error_code::ErrorCode;
use super::rejection::Rejection;

/// Required scopes, audience and authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// Scopes that the token must have.
    pub scopes: Vec<String>,
    /// Audience that the token must have.
    pub audience: Option<String>,
    /// How and when the user must have authenticated; `None`: however, and whenever.
    pub authentication: Option<Box<AuthenticationRequirement>>,
}

impl Requirement {
    /// Reads `required_scopes`, `required_audience`, `required_acr` and `max_auth_age` from the route metadata in a namespace.
    pub(crate) fn of_route(namespace: &str, attributes: &dyn RequestAttributes) -> Result<Self, Rejection> {
        let read = |name| attributes.route_metadata(namespace, name);
        let (scopes, audience) = (read("required_scopes"), read("required_audience"));
        let (acr_values, max_age) = (read("required_acr"), read("max_auth_age"));
        let authentication =
            AuthenticationRequirement::parse(acr_values.as_deref(), max_age.as_deref()).ok_or(Rejection::new(
                ErrorCode::ServerError,
                "route metadata has an invalid required_acr or max_auth_age",
            ))?;
        Self::parse(scopes.as_deref(), audience.as_deref(), authentication.boxed()).ok_or(Rejection::new(
            ErrorCode::ServerError,
            "route metadata requires nothing, or has an invalid required_scopes or required_audience",
        ))
    }

    /// Parses space-separated scopes and an audience. `None`: no requirement is there at all, or one is malformed (such as an
    /// unquoted number, a list or an empty audience), which must not count as no requirement.
    fn parse(
        scopes: Option<&[u8]>,
        audience: Option<&[u8]>,
        authentication: Option<Box<AuthenticationRequirement>>,
    ) -> Option<Self> {
        if scopes.is_none() && audience.is_none() && authentication.is_none() {
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
        scopes.iter().all(|scope| is_scope(scope)).then_some(Self {
            scopes,
            audience,
            authentication,
        })
    }
}

/// Whether the string is one scope (RFC 6749, section 3.3: `scope-token`).
pub(crate) fn is_scope(scope: &str) -> bool {
    let is_legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !scope.is_empty() && scope.bytes().all(is_legal)
}

/// Returns what all requirements together require of the user's authentication; `None` if no `acr` meets all of them.
pub(crate) fn all_authentication<'a>(
    requirements: impl Iterator<Item = &'a Requirement>,
) -> Option<AuthenticationRequirement> {
    let mut required = requirements.filter_map(|requirement| requirement.authentication.as_deref());
    // Of several acceptable values, the order of the last requirement counts: the route's.
    required.try_fold(AuthenticationRequirement::NONE, |all, last| last.and(&all))
}

/// Returns all required scopes without duplicates.
pub(crate) fn all_scopes<'a>(requirements: impl Iterator<Item = &'a Requirement>) -> Vec<String> {
    let mut all = Vec::new();
    for scope in requirements.flat_map(|requirement| &requirement.scopes) {
        if !all.contains(scope) {
            all.push(scope.clone());
        }
    }
    all
}
