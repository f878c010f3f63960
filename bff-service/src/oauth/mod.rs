//! The OpenID Connect client: what the service asks the authorization server, and which answers it believes.
//!
//! * [`provider`]: metadata and keys of the authorization server, shared by all workers; [`cached`]: one such document.
//! * [`discovery`], [`jwks`]: how a document becomes metadata, and a key set keys.
//! * [`authorization`], [`extra_params`]: the authorization request, and the response's issuer.
//! * [`token`], [`client`]: the code and refresh token grants.
//! * [`id_token`]: the rules for ID tokens; [`jws`]: their signature.
//! * [`userinfo`], [`logout`]: the remaining endpoints.
//! * [`http`], [`resolver`], [`tls`]: how requests travel.

pub mod authorization;
pub mod cached;
pub mod client;
pub mod discovery;
pub mod error;
pub mod extra_params;
pub mod http;
pub mod id_token;
pub mod jwks;
pub mod jws;
pub mod logout;
pub mod provider;
pub mod resolver;
pub mod tls;
pub mod token;
pub mod userinfo;

pub use self::authorization::AuthorizationRequest;
pub use self::client::OAuthClient;
pub use self::error::OAuthError;
pub use self::provider::Provider;
pub use self::token::{IdToken, TokenSet};

#[cfg(test)]
mod tests;
