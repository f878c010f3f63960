//! `[client]`: this client, as registered at the authorization server.

use std::path::PathBuf;

use serde::Deserialize;

use super::field::{FieldType, Kind, strings};
use crate::config::secret::Secret;

section! {
    /// This client, as registered at the authorization server.
    pub struct Client at "client." {
        /// Client identifier (`client_id`). Required.
        pub id: String = String::new();
        /// Client secret. Demo mode only.
        pub(in crate::config) secret: Option<Secret> = None;
        /// File that contains the client secret. The service ignores line breaks at its end.
        pub(in crate::config) secret_file: Option<PathBuf> = None;
        /// Client authentication method at the authorization server. If unset, the strongest method that the client has
        /// credentials for and the authorization server supports.
        pub authentication: Option<ClientAuthentication> = None;
        /// PEM files of the client's private keys (RSA, P-256, P-384 or Ed25519), for `private_key_jwt` and signed
        /// authorization requests. The first key signs. The service publishes the public keys of all of them at
        /// `<endpoints_prefix>/jwks`, each with its thumbprint as key id.
        pub(in crate::config) signing_key_files: Vec<PathBuf> = Vec::new();
        /// Signature algorithm of the first key of `client.signing_key_files`. If unset, the algorithm that fits the
        /// key and the metadata of the authorization server.
        pub(in crate::config) signing_algorithm: Option<String> = None;
        /// Audience (`aud`) and `typ` of the client assertions of `private_key_jwt`.
        pub assertion_audience: AssertionAudience = AssertionAudience::default();
        /// PEM file of the client's certificate and its chain, for mutual TLS. The service reloads a changed file.
        pub certificate_file: Option<PathBuf> = None;
        /// PEM file of the private key of the certificate in `client.certificate_file`.
        pub certificate_key_file: Option<PathBuf> = None;
        /// Whether the service pushes authorization requests to the authorization server (PAR, RFC 9126). If unset,
        /// only if the authorization server requires PAR.
        pub pushed_authorization_requests: Option<bool> = None;
        /// Whether the service signs authorization requests (JAR, RFC 9101). If unset, only if the authorization server
        /// requires JAR.
        pub signed_request_objects: Option<bool> = None;
        /// Response mode of the authorization request: how the authorization server returns the authorization response.
        pub response_mode: ResponseMode = ResponseMode::default();
        /// PEM file of a private key (RSA, P-256, P-384 or Ed25519) that the tokens are bound to (DPoP, RFC 9449). All
        /// replicas need the same key. If unset, the service does not use DPoP.
        pub(in crate::config) dpop_key_file: Option<PathBuf> = None;
        /// Resource indicators of the APIs that the access tokens are for (RFC 8707): absolute URIs.
        pub resource: Vec<String> = Vec::new();
        /// Redirect URI: the page that the browser returns to after sign-in, on a trusted web origin. Required.
        pub(in crate::config) redirect_uri: String = String::new();
        /// Post-logout redirect URI: the page that the browser returns to after sign-out. If unset, the authorization
        /// server decides or, if it has no end-session endpoint or its metadata cannot be loaded, the browser returns
        /// to `client.redirect_uri`.
        pub post_logout_redirect_uri: Option<String> = None;
        /// Requested scope, space-separated. `openid` is required.
        pub scope: String = "openid profile".to_owned();
        /// Whether a refresh requests the granted scope, which some authorization servers require.
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
        /// Audiences that the `aud` of an ID token may contain besides the client identifier. If empty, the service
        /// refuses an ID token that has another audience as well. The same applies to logout tokens, signed
        /// authorization responses and signed userinfo responses.
        pub trusted_audiences: Vec<String> = Vec::new();
        /// Whether the service sends the ID token as `id_token_hint` at logout, for authorization servers that require
        /// the hint. The ID token is then part of a URL, which browser histories and logs contain.
        pub send_id_token_hint: bool = false;
        /// Whether the authorization server may end a session through a frame in its logout page (OpenID Connect
        /// Front-Channel Logout 1.0). Back-channel logout has the same effect and authenticates the authorization
        /// server.
        pub frontchannel_logout: bool = false;
    }
}

/// OAuth client authentication methods, by their registered names, the strongest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// A JWT signed with the client's key (RFC 7523; OpenID Connect Core 1.0, section 9).
    PrivateKeyJwt,
    /// A certificate that a trusted certificate authority issued (RFC 8705, section 2.1).
    TlsClientAuth,
    /// A certificate that is itself registered at the authorization server (RFC 8705, section 2.2).
    SelfSignedTlsClientAuth,
    /// HTTP Basic with form-encoded client identifier and secret (RFC 6749, section 2.3.1).
    ClientSecretBasic,
    /// `client_id` and `client_secret` in the request body (RFC 6749, section 2.3.1).
    ClientSecretPost,
}

impl ClientAuthentication {
    /// All methods, the strongest first.
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

    /// Whether the method needs a client secret.
    pub fn is_secret_required(self) -> bool {
        matches!(
            self,
            ClientAuthentication::ClientSecretBasic | ClientAuthentication::ClientSecretPost
        )
    }

    /// Whether the method needs a client certificate.
    pub fn is_certificate_required(self) -> bool {
        matches!(
            self,
            ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth
        )
    }
}

/// The audience of client assertions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum AssertionAudience {
    /// The issuer identifier, with the `typ` of draft-ietf-oauth-rfc7523bis, section 4.
    #[default]
    Issuer,
    /// The URL of the token endpoint, at every endpoint, with the `typ` `JWT` (RFC 7523, section 3), for authorization
    /// servers that accept nothing else.
    TokenEndpoint,
}

/// How the authorization server returns the authorization response.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// As parameters in the query of the redirect URI.
    #[default]
    Query,
    /// As one parameter in the query of the redirect URI: a JWT that the authorization server signs (JARM,
    /// `response_mode=jwt`).
    Jwt,
}

impl FieldType for ClientAuthentication {
    const KIND: Kind = Kind::String;
}

impl FieldType for AssertionAudience {
    const KIND: Kind = Kind::String;
}

impl FieldType for ResponseMode {
    const KIND: Kind = Kind::String;
}
