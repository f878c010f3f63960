//! The `token_exchange` section: configuration of the exchange of the access token for an access token of the API (RFC 8693).

use serde::Deserialize;

use super::bff_token::BffToken;
use super::endpoint::Endpoint;
use super::error::ConfigError;
use crate::gateway::requirement::{Requirement, is_scope};

/// The type of an access token.
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The type of a JWT.
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Valid configuration of the token exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenExchange {
    /// The token endpoint.
    pub endpoint: Endpoint,
    /// Name of the API at the authorization server, for `audience`.
    pub audience: Option<String>,
    /// URI of the API, for `resource`.
    pub resource: Option<String>,
    /// Requested scopes.
    pub scopes: Vec<String>,
    /// Requested type of token.
    pub requested_token_type: RequestedTokenType,
    /// What the access token of the caller must have before it is exchanged.
    pub subject: Requirement,
}

/// The type of token that the exchange requests (RFC 8693, section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum RequestedTokenType {
    /// An access token, in the form that the authorization server has chosen for the API.
    #[default]
    AccessToken,
    /// A JWT, for authorization servers whose access tokens are otherwise opaque.
    Jwt,
    /// The request does not say, for authorization servers that accept no value.
    Unspecified,
}

impl RequestedTokenType {
    /// Returns the URN, if the request has one.
    pub(crate) const fn urn(self) -> Option<&'static str> {
        match self {
            Self::AccessToken => Some(ACCESS_TOKEN),
            Self::Jwt => Some(JWT),
            Self::Unspecified => None,
        }
    }
}

/// The exchange of the access token for one of the API (RFC 8693): instead of introspection, or after it if
/// `introspection_endpoint` is set. At least one of `audience`, `resource` and `scopes` is required. The client is that of
/// `client_id`, and the connection that of `cluster`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawTokenExchange {
    /// URL of the token endpoint.
    token_endpoint: String,
    /// Name of the API at the authorization server: `audience` of the exchange.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    audience: Option<String>,
    /// URI of the API: `resource` of the exchange (RFC 8707).
    resource: Option<String>,
    /// Scopes of the API: `scope` of the exchange, one scope for each entry.
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    requested_token_type: RequestedTokenType,
    /// Audience that the caller's access token must have before it is exchanged, by introspection. If unset, any. At an entry
    /// point that accepts bearer tokens, this field or `subject_scopes` is required: otherwise a token that another application
    /// or another API has obtained may be exchanged, too.
    subject_audience: Option<String>,
    /// Scopes that the caller's access token must have before it is exchanged, by introspection, one scope for each entry.
    #[serde(default)]
    subject_scopes: Vec<String>,
}

impl TokenExchange {
    /// If callers send their own tokens, checks that the settings say which of these the gateway exchanges. A cookie
    /// has only tokens that the service has obtained. A caller may also send a token that another application has
    /// obtained, or that the gateway has obtained for another API: some authorization servers exchange both.
    pub(super) fn check_callers(&self, bff_token: Option<&BffToken>) -> Result<(), ConfigError> {
        let has_cookies_only = bff_token.is_some_and(|stage| !stage.allow_tokens);
        match has_cookies_only || self.subject != Requirement::default() {
            true => Ok(()),
            false => Err(ConfigError::new(
                "phantom_token.token_exchange.subject_audience",
                "missing: at an entry point that accepts bearer tokens, write the audience that these tokens must have and that no API has, or write `subject_scopes`; both need `introspection_endpoint`",
            )),
        }
    }
}

impl RawTokenExchange {
    /// `is_introspected`: whether the gateway introspects the access token before the exchange.
    pub(super) fn check(self, is_introspected: bool) -> Result<TokenExchange, ConfigError> {
        let error =
            |field: &str, what: &str| Err(ConfigError::new(&format!("phantom_token.token_exchange.{field}"), what));
        let endpoint = Endpoint::parse(
            "phantom_token.token_exchange.token_endpoint",
            &self.token_endpoint,
            "https://login.example.com/oauth/v2/oauth-token",
        )?;
        if self.audience.is_none() && self.resource.is_none() && self.scopes.is_empty() {
            return error(
                "audience",
                "missing: write the name of the API at the authorization server, or set `resource` or `scopes`",
            );
        }
        if self.audience.as_deref() == Some("") {
            return error(
                "audience",
                "empty: write the name of the API at the authorization server, or remove the field",
            );
        }
        if self
            .resource
            .as_deref()
            .is_some_and(|resource| !is_absolute_uri(resource))
        {
            return error(
                "resource",
                "invalid URI: write an absolute URI without a fragment, for example `https://api.example.com/orders`",
            );
        }
        for (field, scopes) in [("scopes", &self.scopes), ("subject_scopes", &self.subject_scopes)] {
            if let Some(scope) = scopes.iter().find(|scope| !is_scope(scope)) {
                return Err(invalid_scope(&format!("phantom_token.token_exchange.{field}"), scope));
            }
        }
        if self.subject_audience.as_deref() == Some("") {
            return error(
                "subject_audience",
                "empty: write the audience that the caller's access token must have, or remove the field",
            );
        }
        let subject = Requirement {
            scopes: self.subject_scopes,
            audience: self.subject_audience,
            authentication: None,
        };
        if subject != Requirement::default() && !is_introspected {
            let field = match subject.audience {
                Some(_) => "subject_audience",
                None => "subject_scopes",
            };
            return error(
                field,
                "needs introspection, since an opaque access token shows neither audience nor scopes: add `introspection_endpoint`, or remove the field",
            );
        }
        Ok(TokenExchange {
            endpoint,
            audience: self.audience,
            resource: self.resource,
            scopes: self.scopes,
            requested_token_type: self.requested_token_type,
            subject,
        })
    }
}

/// Returns the error about an entry that is not one scope.
pub(super) fn invalid_scope(field: &str, scope: &str) -> ConfigError {
    ConfigError::new(
        field,
        format!(
            "invalid scope `{scope}`: write one scope of printable ASCII characters, without spaces, `\"` and `\\`, in each \
             entry"
        ),
    )
}

/// Whether the string is an absolute URI without a fragment (RFC 8707, section 2): a scheme, and something after it.
fn is_absolute_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let mut scheme = scheme.bytes();
    let is_scheme = scheme.next().is_some_and(|first| first.is_ascii_alphabetic())
        && scheme.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme && !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}
