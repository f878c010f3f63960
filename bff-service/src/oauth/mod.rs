//! The OpenID Connect client: requests to the authorization server, and validation of the responses.
//!
//! * [`client`]: the client of a thread; [`authorization_server`]: metadata and JWKS, shared by all workers, each a [`cached`]
//!   document.
//! * [`discovery`], [`metadata`]: fetching and examining the metadata; [`negotiation`]: the features of the client and
//!   the authorization server.
//! * [`authorization_request`], [`extra_params`]: the authorization request; [`authorization_response`]: its response.
//! * [`grants`], [`token_response`]: the code and refresh token grants; [`exchange_times`]: their time limits.
//! * [`authentication`], [`client_secret`], `dpop`: client authentication, and sender-constrained tokens.
//! * [`signed_jwt`]: the common rules for JWTs of the authorization server; [`id_token`], [`logout_token`]: the rules of
//!   these two kinds.
//! * [`userinfo`], [`logout`]: the userinfo endpoint, revocation and logout.
//! * [`error`], [`error_meaning`], [`retry_after`]: errors and their meaning.
//! * [`http`]: requests with [`crate::http_client`], counted and traced.

pub mod authentication;
pub mod authorization_request;
pub mod authorization_response;
pub mod authorization_server;
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
pub mod retry_after;
pub mod signed_jwt;
pub mod token_response;
pub mod userinfo;

pub use self::authorization_request::AuthorizationRequest;
pub use self::authorization_server::AuthorizationServer;
pub use self::client::OAuthClient;
pub use self::error::OAuthError;
pub use self::extra_params::IdTokenRequirements;
pub use self::token_response::{IdToken, TokenSet};

#[cfg(test)]
mod tests;
