//! `[authorization_server]`: the authorization server, and how the service connects to it.

use std::path::PathBuf;
use std::time::Duration;

use super::field::strings;

section! {
    /// The authorization server, and how the service connects to it.
    pub struct AuthorizationServer at "authorization_server." {
        /// Issuer identifier, exactly as in the metadata and the ID tokens of the authorization server. Required.
        pub issuer: String = String::new();
        /// PEM file of certificate authorities that the service trusts in addition to those of the system.
        pub ca_file: Option<PathBuf> = None;
        /// Whether the service fetches the metadata of the authorization server (OpenID Connect Discovery 1.0,
        /// otherwise RFC 8414). If `false`, the service uses only the endpoints in `[authorization_server]`.
        /// `authorization_endpoint`, `token_endpoint` and `jwks_uri` are then required, and so are the endpoints that
        /// `userinfo_source` and `client.pushed_authorization_requests` need.
        pub discovery: bool = true;
        /// URL that replaces `authorization_endpoint` of the metadata.
        pub(in crate::config) authorization_endpoint: Option<String> = None;
        /// URL that replaces `token_endpoint` of the metadata.
        pub(in crate::config) token_endpoint: Option<String> = None;
        /// URL that replaces `jwks_uri` of the metadata.
        pub(in crate::config) jwks_uri: Option<String> = None;
        /// URL that replaces `userinfo_endpoint` of the metadata.
        pub(in crate::config) userinfo_endpoint: Option<String> = None;
        /// URL that replaces `revocation_endpoint` of the metadata.
        pub(in crate::config) revocation_endpoint: Option<String> = None;
        /// URL that replaces `end_session_endpoint` of the metadata.
        pub(in crate::config) end_session_endpoint: Option<String> = None;
        /// URL that replaces `pushed_authorization_request_endpoint` of the metadata.
        pub(in crate::config) pushed_authorization_request_endpoint: Option<String> = None;
        /// Whether authorization responses contain `iss` (RFC 9207) even if the metadata does not say so. If `true`,
        /// the service refuses an authorization response without `iss`. If `false`, the metadata decides.
        pub authorization_response_iss_parameter_supported: bool = false;
        /// Time limit for each step of establishing a connection, in milliseconds.
        pub connect_timeout_ms: u64 = 2000, 1..=60_000;
        /// Time limit for a whole request, from the wait for a connection to the end of the response, in milliseconds.
        /// Requests to the token endpoint may take longer (`exchange_seconds`).
        pub request_timeout_ms: u64 = 5000, 1..=60_000;
        /// Time limit for a request to the token endpoint, in seconds. If `request_timeout_ms` is longer, that limit
        /// applies. Callers of `/login/end`, `/callback` and `/refresh` wait for the token request for at most
        /// `request_timeout_ms`. The token request then continues (at a replica, at most 100 with codes and 100 with
        /// refresh tokens), and the next call with the same code or refresh token receives its result.
        pub exchange_seconds: u64 = 30, 1..=300;
        /// Maximum number of simultaneous requests about users of each worker, each on a connection of its own. The
        /// same maximum applies separately to the requests of each worker for metadata and JWKS and, with 100 more for
        /// those that continue in the background, to the exchanges of codes of a replica and to its refreshes.
        pub max_connections: usize = 50, 1..=10_000;
        /// How long an idle connection for metadata and JWKS stays open, in seconds. Requests about a user do not reuse
        /// connections. Set a value below the keep-alive timeout of the authorization server (Node.js: 5 s), so that no
        /// request is sent on a connection that the authorization server is closing.
        pub idle_connection_seconds: u64 = 4, 0..=3600;
        /// Maximum time until the service fetches the JWKS and, with `discovery`, the metadata again, in seconds. If
        /// the authorization server lets the JWKS be cached for a shorter time (`Cache-Control`), that time applies,
        /// and less than 60 seconds count as 60.
        pub refresh_seconds: u64 = 3600, 1..=86_400;
        /// Minimum time between two fetches of the JWKS because no known key verifies a JWT (mostly for an unknown key
        /// id), in seconds. It applies separately to JWTs that the service requested from the authorization server, and
        /// to those that anybody can send, such as logout tokens.
        pub unknown_key_seconds: u64 = 10, 0..=3600;
        /// Signature algorithms that the service accepts for ID tokens and for everything else that the authorization
        /// server signs: userinfo responses, authorization responses (`client.response_mode`) and logout tokens.
        /// `Ed25519` and `EdDSA` are synonyms. `ES512` is not supported.
        pub id_token_algorithms: Vec<String> = strings(&["RS256", "PS256", "ES256", "EdDSA"]);
        /// Maximum difference between the clocks of the service and the authorization server, and between those of
        /// replicas of the service, in seconds.
        pub clock_skew_seconds: u64 = 10, 0..=60;
    }
}

impl AuthorizationServer {
    /// [`AuthorizationServer::connect_timeout_ms`].
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// [`AuthorizationServer::request_timeout_ms`].
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}
