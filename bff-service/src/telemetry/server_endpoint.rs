//! The endpoints of the authorization server, as metrics, spans and the log name them.

/// An endpoint of the authorization server: the label `endpoint` of the metrics about requests to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerEndpoint {
    /// The metadata document.
    Metadata,
    /// The JWKS.
    Jwks,
    /// The token endpoint.
    Token,
    /// The userinfo endpoint.
    Userinfo,
    /// Revocation (RFC 7009).
    Revocation,
    /// Pushed authorization requests (RFC 9126).
    PushedAuthorizationRequest,
    /// Introspection (RFC 7662), by `/authorize`.
    Introspection,
    /// Token exchange (RFC 8693) at the token endpoint, by `/authorize`.
    TokenExchange,
}

impl ServerEndpoint {
    /// The name in metrics and spans.
    pub fn name(self) -> &'static str {
        match self {
            ServerEndpoint::Metadata => "metadata",
            ServerEndpoint::Jwks => "jwks",
            ServerEndpoint::Token => "token",
            ServerEndpoint::Userinfo => "userinfo",
            ServerEndpoint::Revocation => "revocation",
            ServerEndpoint::PushedAuthorizationRequest => "pushed_authorization_request",
            ServerEndpoint::Introspection => "introspection",
            ServerEndpoint::TokenExchange => "token_exchange",
        }
    }
}

impl std::fmt::Display for ServerEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ServerEndpoint::PushedAuthorizationRequest => "pushed authorization request",
            ServerEndpoint::TokenExchange => "token exchange",
            ServerEndpoint::Metadata
            | ServerEndpoint::Jwks
            | ServerEndpoint::Token
            | ServerEndpoint::Userinfo
            | ServerEndpoint::Revocation
            | ServerEndpoint::Introspection => self.name(),
        })
    }
}
