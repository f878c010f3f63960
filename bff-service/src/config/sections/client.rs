//! `[client]`: this client, as registered at the authorization server.

use std::path::PathBuf;

use serde::Deserialize;

use super::field::{FieldType, Kind, strings};
use crate::config::secret::Secret;

section! {
    /// This client, as registered at the authorization server.
    pub struct Client at "client." {
        /// `client_id`. Required.
        pub id: String = String::new();
        /// The client secret itself. Demo mode only.
        pub(in crate::config) secret: Option<Secret> = None;
        /// File that holds the client secret; a line break at its end is ignored.
        pub(in crate::config) secret_file: Option<PathBuf> = None;
        /// How the client proves who it is. Default: the strongest way that it has the means for and the authorization
        /// server supports.
        pub authentication: Option<ClientAuthentication> = None;
        /// PEM files of the client's private keys (RSA, P-256, P-384 or Ed25519), for `private_key_jwt` and signed
        /// requests. The first signs, all are published at `<endpoints_prefix>/jwks`, each under its thumbprint as key
        /// id.
        pub(in crate::config) signing_key_files: Vec<PathBuf> = Vec::new();
        /// What the first key of `client.signing_key_files` signs with. Default: what fits the key and the authorization
        /// server's metadata.
        pub(in crate::config) signing_algorithm: Option<String> = None;
        /// For whom the assertions of `private_key_jwt` are: `issuer` (default), as RFC 7523bis demands, or
        /// `token_endpoint`, the endpoint's URL and `typ` `JWT`, for servers that take nothing else.
        pub assertion_audience: AssertionAudience = AssertionAudience::default();
        /// PEM file of the client's certificate and its chain, for mutual TLS. Read anew when it changes.
        pub certificate_file: Option<PathBuf> = None;
        /// PEM file of the private key of the certificate in `client.certificate_file`.
        pub certificate_key_file: Option<PathBuf> = None;
        /// Whether the authorization request is pushed to the server (PAR, RFC 9126). Default: where the server
        /// requires it.
        pub pushed_authorization_requests: Option<bool> = None;
        /// Whether the authorization request is signed (JAR, RFC 9101). Default: where the server requires it.
        pub signed_request_objects: Option<bool> = None;
        /// How the authorization response comes: `query` (default), or `jwt`, signed by the server (JARM).
        pub response_mode: ResponseMode = ResponseMode::default();
        /// PEM file of a private key (P-256, P-384 or Ed25519): tokens are then bound to it (DPoP, RFC 9449). All
        /// replicas need the same.
        pub(in crate::config) dpop_key_file: Option<PathBuf> = None;
        /// What the access tokens are for (RFC 8707). Absolute URIs.
        pub resource: Vec<String> = Vec::new();
        /// Where the browser comes back to after signing in: a page on a trusted web origin. Required.
        pub(in crate::config) redirect_uri: String = String::new();
        /// Where the browser comes back to after signing out. None by default.
        pub post_logout_redirect_uri: Option<String> = None;
        /// Requested scope, parted by spaces; `openid` is required.
        pub scope: String = "openid profile".to_owned();
        /// Whether a refresh asks for the scope that was granted, which some servers demand.
        pub send_scope_at_refresh: bool = true;
        /// Parameters that a page may add to the authorization request.
        pub allowed_extra_params: Vec<String> = strings(&[
            "prompt",
            "login_hint",
            "ui_locales",
            "acr_values",
            "max_age",
            "claims",
            "resource",
        ]);
        /// Who else may be in an ID token's `aud`. None by default: an ID token for others too is refused.
        pub trusted_audiences: Vec<String> = Vec::new();
        /// Whether the ID token goes along as `id_token_hint` at logout, for servers that want it. Off by default, since
        /// it then stands in a URL, in the browser's history and in logs.
        pub send_id_token_hint: bool = false;
        /// Whether the authorization server may end a login by a frame in its sign-out page (OpenID Connect
        /// Front-Channel Logout). Off by default: back-channel logout does the same, and proves who asks.
        pub frontchannel_logout: bool = false;
    }
}

/// OAuth client authentication methods, by their registered names; the strongest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// A JWT signed with the client's key, RFC 7523 and OpenID Connect Core, section 9.
    PrivateKeyJwt,
    /// A certificate of a trusted authority, RFC 8705, section 2.1.
    TlsClientAuth,
    /// A certificate that is registered itself, RFC 8705, section 2.2.
    SelfSignedTlsClientAuth,
    /// HTTP Basic with form-encoded parts, RFC 6749, section 2.3.1.
    ClientSecretBasic,
    /// `client_id` and `client_secret` in the request body.
    ClientSecretPost,
}

impl ClientAuthentication {
    /// All of them, the strongest first.
    pub const ALL: [ClientAuthentication; 5] = [
        ClientAuthentication::PrivateKeyJwt,
        ClientAuthentication::TlsClientAuth,
        ClientAuthentication::SelfSignedTlsClientAuth,
        ClientAuthentication::ClientSecretBasic,
        ClientAuthentication::ClientSecretPost,
    ];

    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            ClientAuthentication::PrivateKeyJwt => "private_key_jwt",
            ClientAuthentication::TlsClientAuth => "tls_client_auth",
            ClientAuthentication::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            ClientAuthentication::ClientSecretBasic => "client_secret_basic",
            ClientAuthentication::ClientSecretPost => "client_secret_post",
        }
    }

    /// Whether it takes a client secret.
    pub fn needs_secret(self) -> bool {
        matches!(
            self,
            ClientAuthentication::ClientSecretBasic | ClientAuthentication::ClientSecretPost
        )
    }

    /// Whether it takes a client certificate.
    pub fn needs_certificate(self) -> bool {
        matches!(
            self,
            ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth
        )
    }
}

/// For whom client assertions are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum AssertionAudience {
    /// The issuer identifier, with the `typ` of RFC 7523bis.
    #[default]
    Issuer,
    /// The URL of the token endpoint at every endpoint, with the `typ` of any JWT (RFC 7523, section 3).
    TokenEndpoint,
}

/// How the authorization response comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// As parameters of the redirect URI's query.
    #[default]
    Query,
    /// As one signed parameter of the query: JWT Secured Authorization Response Mode, `response_mode=jwt`.
    Jwt,
}

impl FieldType for ClientAuthentication {
    const KIND: Kind = Kind::Text;
}

impl FieldType for AssertionAudience {
    const KIND: Kind = Kind::Text;
}

impl FieldType for ResponseMode {
    const KIND: Kind = Kind::Text;
}
