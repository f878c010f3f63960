//! `[authorization_server]`: the authorization server, and how it is reached.

use std::path::PathBuf;
use std::time::Duration;

use super::field::strings;

section! {
    /// The authorization server and how it is reached.
    pub struct AuthorizationServer at "authorization_server." {
        /// Its issuer identifier, exactly as its metadata and its ID tokens spell it. Required.
        pub issuer: String = String::new();
        /// PEM file of certificates that are trusted in addition to the system's.
        pub ca_file: Option<PathBuf> = None;
        /// Whether the metadata is fetched (OpenID Connect Discovery, else RFC 8414). Without, the endpoints of this
        /// table are all there are; authorization, token and jwks are then required.
        pub discovery: bool = true;
        /// Overrides the metadata's `authorization_endpoint`.
        pub(in crate::config) authorization_endpoint: Option<String> = None;
        /// Overrides the metadata's `token_endpoint`.
        pub(in crate::config) token_endpoint: Option<String> = None;
        /// Overrides the metadata's `jwks_uri`.
        pub(in crate::config) jwks_uri: Option<String> = None;
        /// Overrides the metadata's `userinfo_endpoint`.
        pub(in crate::config) userinfo_endpoint: Option<String> = None;
        /// Overrides the metadata's `revocation_endpoint`.
        pub(in crate::config) revocation_endpoint: Option<String> = None;
        /// Overrides the metadata's `end_session_endpoint`.
        pub(in crate::config) end_session_endpoint: Option<String> = None;
        /// Overrides the metadata's `pushed_authorization_request_endpoint`.
        pub(in crate::config) pushed_authorization_request_endpoint: Option<String> = None;
        /// Whether authorization responses carry `iss` (RFC 9207), although no metadata say so: a response without it
        /// is then refused. False: as the metadata say.
        pub authorization_response_iss_parameter_supported: bool = false;
        /// How long establishing a connection may take, in milliseconds.
        pub connect_timeout_ms: u64 = 2000, 1..=60_000;
        /// How long a whole request may take, connection and answer included, in milliseconds.
        pub request_timeout_ms: u64 = 5000, 1..=60_000;
        /// How long the token endpoint may take, in seconds. Callers of `/login/end` and `/refresh` are answered after
        /// `request_timeout_ms`; the exchange goes on, and its outcome is there for the next call.
        pub exchange_seconds: u64 = 30, 1..=300;
        /// Requests at once of each worker, each on a connection of its own. As many again for metadata and keys.
        pub max_connections: usize = 50, 1..=10_000;
        /// How long an idle connection for metadata and keys is kept, in seconds. Requests about a user have
        /// connections of their own. Less by default than what servers keep theirs (Node.js: 5), so that no request is
        /// sent into a connection that is just being closed.
        pub idle_connection_seconds: u64 = 4, 0..=3600;
        /// How often metadata and keys are fetched anew, in seconds.
        pub refresh_seconds: u64 = 3600, 1..=86_400;
        /// How often an unknown key id may make the keys be fetched, in seconds: once.
        pub unknown_key_seconds: u64 = 10, 0..=3600;
        /// Signature algorithms accepted for ID tokens, and for whatever else the authorization server signs: userinfo
        /// answers, authorization responses (`client.response_mode`) and logout tokens. `Ed25519` and `EdDSA` are the
        /// same; ES512 is not supported.
        pub id_token_algorithms: Vec<String> = strings(&["RS256", "PS256", "ES256", "EdDSA"]);
        /// How far the authorization server's clock may be off, in seconds.
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
