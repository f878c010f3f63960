//! The endpoints of the authorization server in the configuration.

use url::Url;

use super::endpoint_url;
use super::error::FieldError;
use super::sections::{Settings, UserInfoSource};

/// The endpoints of the authorization server in the configuration.
#[derive(Debug, Default)]
pub struct ServerEndpoints {
    /// `authorization_endpoint`.
    pub authorization: Option<Url>,
    /// `token_endpoint`.
    pub token: Option<Url>,
    /// `jwks_uri`.
    pub jwks: Option<Url>,
    /// `userinfo_endpoint`.
    pub userinfo: Option<Url>,
    /// `revocation_endpoint`.
    pub revocation: Option<Url>,
    /// `end_session_endpoint`.
    pub end_session: Option<Url>,
    /// `pushed_authorization_request_endpoint`.
    pub pushed_authorization_request: Option<Url>,
}

/// Parses and validates the endpoints.
pub(super) fn parse_endpoints(settings: &Settings, errors: &mut Vec<FieldError>) -> ServerEndpoints {
    let server = &settings.authorization_server;
    let mut endpoint = |field: &str, text: &Option<String>, is_required: bool| {
        let mut add_error = |what: String| errors.push(FieldError::new(&format!("authorization_server.{field}"), what));
        match text.as_deref().map(|url| endpoint_url::parse(url, settings.demo)) {
            Some(Ok(url)) => return Some(url),
            Some(Err(what)) => add_error(what),
            None if is_required && !server.discovery => {
                add_error(
                    "missing: write the URL of the endpoint, or set `authorization_server.discovery` to true"
                        .to_owned(),
                );
            }
            None => {}
        }
        None
    };
    ServerEndpoints {
        authorization: endpoint("authorization_endpoint", &server.authorization_endpoint, true),
        token: endpoint("token_endpoint", &server.token_endpoint, true),
        jwks: endpoint("jwks_uri", &server.jwks_uri, true),
        userinfo: endpoint(
            "userinfo_endpoint",
            &server.userinfo_endpoint,
            settings.userinfo_source == UserInfoSource::UserinfoEndpoint,
        ),
        revocation: endpoint("revocation_endpoint", &server.revocation_endpoint, false),
        end_session: endpoint("end_session_endpoint", &server.end_session_endpoint, false),
        pushed_authorization_request: endpoint(
            "pushed_authorization_request_endpoint",
            &server.pushed_authorization_request_endpoint,
            settings.client.pushed_authorization_requests == Some(true),
        ),
    }
}
