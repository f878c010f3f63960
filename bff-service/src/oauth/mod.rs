//! The OpenID Connect client: what the service asks the authorization server, and which answers it believes.
//!
//! * [`provider`]: metadata and keys of the authorization server, shared by all workers; [`cached`]: one such document.
//! * [`discovery`], [`metadata`]: where its metadata are, and what they mean; [`negotiation`]: how this client deals with that
//!   server.
//! * [`authorization`], [`extra_params`]: the authorization request; [`authorization_response`]: its response.
//! * [`token`], [`client`]: the code and refresh token grants.
//! * [`client_authentication`], [`signing_key`], `dpop`: how the client proves who it is, and whose the tokens are.
//! * [`id_token`]: the rules for ID tokens; [`jws`]: their signature.
//! * [`userinfo`], [`logout`], [`logout_token`]: who is signed in, and who no longer.
//! * [`error`], [`error_meaning`], [`retry_after`]: what goes wrong, and what it means.
//! * [`http`], [`tls`]: how requests travel, by [`crate::http_client`]; [`client_certificate`]: what the client shows in the
//!   TLS handshake.

pub mod authentication;
pub mod authorization_request;
pub mod authorization_response;
pub mod cached;
pub mod client;
pub mod client_secret;
pub mod discovery;
mod dpop;
pub mod error;
pub mod error_meaning;
pub mod exchange_times;
pub mod extra_params;
pub mod http;
pub mod id_token;
pub mod logout;
pub mod logout_token;
pub mod metadata;
pub mod negotiation;
pub mod provider;
pub mod retry_after;
pub mod signed_jwt;
pub mod token_response;
pub mod userinfo;

pub use self::authorization_request::AuthorizationRequest;
pub use self::client::OAuthClient;
pub use self::error::OAuthError;
pub use self::extra_params::Demands;
pub use self::provider::Provider;
pub use self::token_response::{IdToken, TokenSet};

#[cfg(test)]
mod tests;
