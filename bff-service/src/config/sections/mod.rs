//! What can be configured: for each field its type, its default, its range, and in its comment its reference. From here come
//! the table of [fields](super::fields), the pages of `docs/reference` and the JSON Schema; `bff.example.toml` is tested
//! against it.
//!
//! A new number is a line in one of these files, and one in the example.

#[macro_use]
mod field;
mod authorization_server;
mod authorize;
mod client;
mod keys;
mod navigation;
mod redis;
mod server;
mod session;
mod settings;

pub use self::authorization_server::AuthorizationServer;
pub use self::authorize::Authorize;
pub use self::client::{AssertionAudience, Client, ClientAuthentication, ResponseMode};
pub use self::field::Kind;
pub use self::keys::Keys;
pub use self::navigation::Navigation;
pub use self::redis::Redis;
pub use self::server::Server;
pub use self::session::Session;
pub use self::settings::{CookiePaths, DEFAULT_ENDPOINTS_PREFIX, Settings, UserInfoSource};
