//! What an entry point or a route requires of an access token.

use super::attributes::RequestAttributes;
use super::error_code::ErrorCode;
use super::rejection::Rejection;

/// Required scopes and audience.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// Scopes that the token must have.
    pub scopes: Vec<String>,
    /// Audience that the token must have.
    pub audience: Option<String>,
}

impl Requirement {
    /// Reads `required_scopes` and `required_audience` from the route metadata in a namespace.
    pub(crate) fn of_route(namespace: &str, attributes: &dyn RequestAttributes) -> Result<Self, Rejection> {
        let (scopes, audience) = (
            attributes.route_metadata(namespace, "required_scopes"),
            attributes.route_metadata(namespace, "required_audience"),
        );
        Self::parse(scopes.as_deref(), audience.as_deref()).ok_or(Rejection::new(
            ErrorCode::ServerError,
            "route metadata has no valid required_scopes or required_audience",
        ))
    }

    /// Parses space-separated scopes and an audience. `None`: both are missing, or one is malformed (such as an
    /// unquoted number, a list or an empty audience), which must not count as no requirement.
    fn parse(scopes: Option<&[u8]>, audience: Option<&[u8]>) -> Option<Self> {
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

/// Whether the string is one scope (RFC 6749, section 3.3: `scope-token`).
pub(crate) fn is_scope(scope: &str) -> bool {
    let is_legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !scope.is_empty() && scope.bytes().all(is_legal)
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
