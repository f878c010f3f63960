//! The configuration: a TOML file, with overrides by environment variables.
//!
//! The variable of a field is `BFF_` and the path in capitals, with two underscores between tables and fields:
//! `server.port` is `BFF_SERVER__PORT`, `trusted_web_origins` is `BFF_TRUSTED_WEB_ORIGINS`. Lists are comma-separated,
//! Booleans are `true` and `false`.
//!
//! Secrets come from `BFF_COOKIE_KEYS` and `BFF_CLIENT_SECRET`, or from the files that `BFF_COOKIE_KEYS_FILE` or
//! `keys.file`, and `BFF_CLIENT_SECRET_FILE` or `client.secret_file`, name. Only in demo mode may the file contain
//! them, as `keys.ring` and `client.secret`. The service reloads both
//! ([`LiveSettings`](crate::application::live_settings::LiveSettings)). The URL of Redis has the same kinds of sources
//! (`BFF_REDIS_URL`, `BFF_REDIS_URL_FILE`, `redis.url_file`), and is a secret if it contains a password. The token of operators
//! has them too (`BFF_ADMIN_TOKEN`, `BFF_ADMIN_TOKEN_FILE`, `admin.token_file`). The service reloads neither of these two.
//!
//! `HTTPS_PROXY` and `NO_PROXY` configure the proxy for connections to the authorization server
//! ([`crate::http_client::proxy`]), for all applications.
//!
//! * [`sections`]: the fields with their types, defaults, ranges and descriptions.
//! * [`fields`]: the table of all fields, for unknown fields and for the variables.
//! * `load`: loads the file; [`environment_variables`]: variables; `applications`: several applications in one file.
//! * [`secrets`]: the sources of secrets; [`secret`]: a secret value.
//! * `validate`: validation of values, with [`endpoint_url`], [`forbidden_params`], `server_endpoints`, `cookie_scope`,
//!   `header_pattern`; [`client_keys`]: the key files; `authorize`: the rules of `/authorize`.
//! * `application`: the validated configuration of one application.
//! * `schema`: the JSON Schema for `docs/reference`.

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
pub use self::applications::{is_at_or_below, is_host, without_port};
pub use self::authorize::AuthorizeRules;
pub use self::client_keys::ClientKeys;
pub use self::cookie_scope::is_within;
pub use self::error::{ConfigError, FieldError};
pub use self::header_pattern::HeaderPattern;
pub use self::load::{load, parse};
#[cfg(feature = "schema")]
pub use self::schema::schema;
pub use self::secret::Secret;
pub use self::sections::{
    AssertionAudience, AuthorizationServer, Authorize, Client, ClientAuthentication, CookiePaths, DeviceBinding, Keys,
    Navigation, Redis, ResponseMode, Server, Session, Settings, UserInfoSource,
};
pub use self::server_endpoints::ServerEndpoints;

#[cfg(test)]
pub(crate) mod tests;
