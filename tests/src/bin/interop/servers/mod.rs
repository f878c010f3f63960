//! The authorization servers: how each is started, and what its administrator does.

mod better_auth;
mod canaille;
mod django_oauth_toolkit;
mod glewlwyd;
mod hydra;
mod keycloak;
mod lemonldap;
mod oidc_provider;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::page::Page;
use crate::site::Site;
use crate::steps::StepResult;
use crate::variant::Variant;
use crate::walk::Walk;

/// What the server does not offer. `None`: it was done.
pub(crate) type Offered = Result<Option<&'static str>, String>;

/// An authorization server in this run.
pub(crate) trait Server {
    /// The name of its page below `docs/providers`, and on the command line.
    fn name(&self) -> &'static str;

    /// What it is called.
    fn title(&self) -> &'static str;

    /// The version that was run.
    fn version(&self) -> String;

    /// The variants of its settings. The first one goes through every step.
    fn variants(&self) -> &'static [Variant];

    /// Changes its settings to those of a variant.
    fn select(&self, _: &Walk<'_>) -> Result<(), String> {
        Ok(())
    }

    /// Writes its files, from the page, before the first start.
    fn prepare(&mut self, site: &Site, page: &Page) -> Result<(), String>;

    /// Starts it, and waits until it responds.
    fn start(&mut self, site: &Site) -> Result<(), String>;

    /// Asks it to exit, and waits until it has exited.
    fn stop(&mut self);

    /// The path of its JWKS.
    fn jwks_path(&self) -> &'static str;

    /// The address from which the API gets the JWKS.
    fn keys(&self, site: &Site) -> SocketAddr {
        site.server()
    }

    /// The `typ` of its JWT access tokens.
    fn token_type(&self) -> &'static str {
        "at+jwt"
    }

    /// The audience of access tokens for the API.
    fn audience(&self, _: &Site) -> String {
        "demo-api".to_owned()
    }

    /// Whether it asks the user at sign-out, whatever the client sends (OpenID Connect RP-Initiated Logout 1.0, section 2).
    fn has_sign_out_page(&self) -> bool {
        false
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
    fn session_limit(&self) -> Option<fn(&Walk<'_>) -> StepResult> {
        None
    }

    /// A step of its own about the server's rate limit.
    fn rate_limit(&self) -> Option<fn(&Walk<'_>) -> StepResult> {
        None
    }

    /// Why a step fails through the server's own doing, with its source. The step must fail.
    fn explain(&self, _step: &str) -> Option<&'static str> {
        None
    }
}

/// A server, and the variable with the program or folder that `cargo xtask interop` has fetched.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) new: fn() -> Result<Box<dyn Server>, String>,
}

/// All servers, in the order of the table.
pub(crate) const ALL: [Known; 8] = [
    Known {
        name: keycloak::NAME,
        new: keycloak::new,
    },
    Known {
        name: hydra::NAME,
        new: hydra::new,
    },
    Known {
        name: better_auth::NAME,
        new: better_auth::new,
    },
    Known {
        name: oidc_provider::NAME,
        new: oidc_provider::new,
    },
    Known {
        name: django_oauth_toolkit::NAME,
        new: django_oauth_toolkit::new,
    },
    Known {
        name: glewlwyd::NAME,
        new: glewlwyd::new,
    },
    Known {
        name: canaille::NAME,
        new: canaille::new,
    },
    Known {
        name: lemonldap::NAME,
        new: lemonldap::new,
    },
];

/// The path that an environment variable of `cargo xtask interop` holds.
fn fetched(variable: &str) -> Result<PathBuf, String> {
    std::env::var_os(variable)
        .map(Into::into)
        .ok_or_else(|| format!("missing {variable}: run this with `cargo xtask interop`"))
}

/// The folder below `parent` whose name ends with `end`: packages have one for the processor, and one for a version.
fn folder_in(parent: &Path, end: &str) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths
        .find(|path| path.is_dir() && path.to_string_lossy().ends_with(end))
        .ok_or_else(|| {
            format!(
                "missing folder `*{end}` in {}: remove this server's folder from `target/tools`, and run this again",
                parent.display()
            )
        })
}
