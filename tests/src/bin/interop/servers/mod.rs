//! The authorization servers: how each is started, and what its administrator does.

mod hydra;
mod keycloak;

use std::net::SocketAddr;

use crate::page::Page;
use crate::site::Site;
use crate::steps::Outcome;
use crate::variant::Variant;
use crate::walk::Walk;

/// What the server does not offer, if it does not; otherwise it was done.
pub(crate) type Offered = Result<Option<&'static str>, String>;

/// An authorization server in this run.
pub(crate) trait Server {
    /// The name of its page below `docs/providers`, and on the command line.
    fn name(&self) -> &'static str;

    /// What it is called.
    fn title(&self) -> &'static str;

    /// The version that was run.
    fn version(&self) -> String;

    /// The variants of its settings; the first one goes through every step.
    fn variants(&self) -> &'static [Variant];

    /// Changes its settings to those of a variant.
    fn select(&self, _: &Walk<'_>) -> Result<(), String> {
        Ok(())
    }

    /// Writes its files, from the page, before the first start.
    fn prepare(&mut self, site: &Site, page: &Page) -> Result<(), String>;

    /// Starts it, and waits until it responds.
    fn start(&mut self, site: &Site) -> Result<(), String>;

    /// Asks it to exit, and waits until it has.
    fn stop(&mut self);

    /// The path of its JWKS.
    fn jwks_path(&self) -> &'static str;

    /// The `typ` of its JWT access tokens.
    fn token_type(&self) -> &'static str {
        "at+jwt"
    }

    /// The address of introspection, if it is not that of the pages.
    fn introspection(&self, _: &Site) -> Option<SocketAddr> {
        None
    }

    /// Ends all sessions of the user, as an administrator. `sids` are their names in ID tokens.
    fn end_sessions(&self, walk: &Walk<'_>, sids: &[String]) -> Offered;

    /// Signs with a new key from now on.
    fn replace_key(&mut self, walk: &Walk<'_>) -> Offered;

    /// A step of its own about the limit of a session.
    fn session_limit(&self) -> Option<fn(&Walk<'_>) -> Outcome> {
        None
    }

    /// A step of its own about the server's rate limit.
    fn rate_limit(&self) -> Option<fn(&Walk<'_>) -> Outcome> {
        None
    }

    /// Why a step fails through the server's own doing, with its source. The step must fail.
    fn explained(&self, _step: &str) -> Option<&'static str> {
        None
    }
}

/// A server, and the variable with the program or folder that `cargo xtask interop` has fetched.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) new: fn() -> Result<Box<dyn Server>, String>,
}

/// All servers, in the order of the table.
pub(crate) const ALL: [Known; 2] = [
    Known {
        name: keycloak::NAME,
        new: keycloak::new,
    },
    Known {
        name: hydra::NAME,
        new: hydra::new,
    },
];

/// The path that an environment variable of `cargo xtask interop` holds.
fn fetched(variable: &str) -> Result<std::path::PathBuf, String> {
    std::env::var_os(variable)
        .map(Into::into)
        .ok_or_else(|| format!("missing {variable}: run this with `cargo xtask interop`"))
}
