//! The OpenID Connect client: what the service asks the authorization server, and which answers it believes.
//!
//! * [`client`]: a worker's access; [`provider`]: metadata and keys, shared by all workers, each a [`cached`] document.
//! * [`discovery`], [`metadata`]: where the metadata are, and what they mean; [`negotiation`]: how this client deals with that
//!   server.
//! * [`authorization_request`], [`extra_params`]: the authorization request; [`authorization_response`]: its response.
//! * [`grants`], [`token_response`]: the code and the refresh token grants; [`exchange_times`]: how long they may take.
//! * [`authentication`], [`client_secret`], `dpop`: how the client proves who it is, and whose the tokens are.
//! * [`signed_jwt`]: the rules for whatever the server signs; [`id_token`], [`logout_token`]: and for these two.
//! * [`userinfo`], [`logout`]: who is signed in, and who no longer.
//! * [`error`], [`error_meaning`], [`retry_after`]: what goes wrong, and what it means.
//! * [`http`]: requests by [`crate::http_client`], counted and traced.

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
pub mod grants;
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
pub use self::extra_params::IdTokenRequirements;
pub use self::provider::Provider;
pub use self::token_response::{IdToken, TokenSet};

#[cfg(test)]
mod tests;
