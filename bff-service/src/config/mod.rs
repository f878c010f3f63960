//! The configuration: one TOML file, with single fields overridden by environment variables.
//!
//! A field's variable is `BFF_` and its path in capitals, tables parted by two underscores: `server.port` is
//! `BFF_SERVER__PORT`, `trusted_web_origins` is `BFF_TRUSTED_WEB_ORIGINS`. Lists are written with commas, booleans as
//! `true` and `false`.
//!
//! Secrets do not belong into the file. They come from `BFF_COOKIE_KEYS` and `BFF_CLIENT_SECRET`, or from the files
//! that `BFF_COOKIE_KEYS_FILE` or `keys.file`, and `BFF_CLIENT_SECRET_FILE` or `client.secret_file`, name. Only in demo
//! mode may they be written inline as `keys.ring` and `client.secret`. Both are read anew while the service runs
//! ([`LiveSettings`](crate::application::live_settings::LiveSettings)).
//!
//! The proxy that the authorization server is reached through comes from `HTTPS_PROXY` and `NO_PROXY`
//! ([`crate::http_client::proxy`]), for all applications.
//!
//! * [`sections`]: what can be configured: types, defaults, ranges, words.
//! * [`fields`]: the same as a table of names, from which unknown fields and the variables are told.
//! * `load`: from a file to checked configurations; [`environment_variables`]: single fields overridden; `applications`: several in one file.
//! * [`secrets`]: where secrets come from; [`secret`]: what one is.
//! * `validate`: what the values must be, with [`endpoint_url`], [`forbidden_params`], `server_endpoints`, `cookie_scope`, `header_pattern`;
//!   [`client_keys`]: the key files that they name; `authorize`: the rules of `/authorize`.
//! * `application`: what comes of it, for one application.
//! * `schema`: all of it as a JSON Schema, for `docs/reference`.

mod application;
mod applications;
mod authorize;
pub mod client_keys;
mod cookie_scope;
pub mod endpoint_url;
pub mod environment_variables;
pub mod error;
pub mod fields;
pub mod forbidden_params;
mod header_pattern;
mod load;
#[cfg(feature = "schema")]
mod schema;
pub mod secret;
pub mod secrets;
pub mod sections;
mod server_endpoints;
mod validate;

pub use self::application::Config;
pub use self::authorize::AuthorizeRules;
pub use self::client_keys::ClientKeys;
pub use self::error::{ConfigError, FieldError};
pub use self::header_pattern::HeaderPattern;
pub use self::load::{load, parse};
#[cfg(feature = "schema")]
pub use self::schema::schema;
pub use self::secret::Secret;
pub use self::sections::{
    AssertionAudience, AuthorizationServer, Authorize, Client, ClientAuthentication, CookiePaths, Keys, Navigation,
    Redis, ResponseMode, Server, Session, Settings, UserInfoSource,
};
pub use self::server_endpoints::ServerEndpoints;

#[cfg(test)]
mod tests;
