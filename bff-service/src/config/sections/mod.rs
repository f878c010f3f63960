//! The sections of the configuration: the type, the default and the range of each field. The doc comment of a field is
//! its text in the reference. The table of [fields](super::fields), the reference and the JSON Schema of the service
//! (`docs/reference/service.*`) are generated from these files, and a test compares `bff.example.toml` with them.
//!
//! To add a field, add it to one of these files and to the example.

#[macro_use]
mod field;
mod admin;
mod authorization_server;
mod authorize;
mod client;
mod keys;
mod navigation;
mod redis;
mod server;
mod session;
mod settings;

pub use self::admin::Admin;
pub use self::authorization_server::AuthorizationServer;
pub use self::authorize::Authorize;
pub use self::client::{AssertionAudience, Client, ClientAuthentication, ResponseMode};
pub use self::field::Kind;
pub use self::keys::Keys;
pub use self::navigation::Navigation;
pub use self::redis::Redis;
pub use self::server::Server;
pub use self::session::{DeviceBinding, Session};
pub use self::settings::{CookiePaths, DEFAULT_ENDPOINTS_PREFIX, Settings, UserInfoSource};
