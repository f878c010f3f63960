//! Better Auth with its OAuth provider plugin, in a server of ours (`tests/interop/better-auth`).

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use bff_tests::http1::{Request, send_plain};
use bff_tests::setup;
use demo_system::files;
use serde_json::Value;

use super::{Offered, Server, fetched};
use crate::page::Page;
use crate::site::{PASSWORD, Site, USERNAME};
use crate::steps::{Done, StepResult};
use crate::variant::{Form, Variant};
use crate::walk::{Walk, expect};
use bff_tests::program::{Program, is_up};

pub(crate) const NAME: &str = "better-auth";

/// The most token requests that the walk sends to reach the limit, which is lower.
const TOKEN_REQUESTS: usize = 10;

const VARIANTS: [Variant; 3] = [
    Variant {
        what: "JWT access tokens, introspected",
        filter: Some("filter"),
        form: Form::Checked,
        hint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "JWT access tokens, without introspection",
        userinfo_endpoint: true,
        hint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "opaque access tokens, claims in headers, by the service's client",
        filter: Some("filter claims"),
        form: Form::Claims,
        service: &[("BFF_CLIENT__RESOURCE", "")],
        ..Variant::PLAIN
    },
];

struct BetterAuth {
    folder: PathBuf,
    settings: PathBuf,
    program: Option<Program>,
}

pub(crate) fn new() -> Result<Box<dyn Server>, String> {
    Ok(Box::new(BetterAuth {
        folder: fetched("INTEROP_BETTER_AUTH")?,
        settings: PathBuf::new(),
        program: None,
    }))
}

fn admin(site: &Site) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], site.admin_port))
}

/// An act of the administrator.
fn act(walk: &Walk<'_>, path: &str) -> Result<(), String> {
    let response = send_plain(admin(walk.site), &Request::new("POST", path));
    expect(
        path,
        &response.map_err(|error| format!("the request to {path} failed: {error}"))?,
        204,
    )
}

impl Server for BetterAuth {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "Better Auth"
    }

    fn version(&self) -> String {
        let package = fs::read_to_string(self.folder.join("node_modules/better-auth/package.json"));
        let package: Value = serde_json::from_str(&package.unwrap_or_default()).unwrap_or_default();
        package["version"].as_str().unwrap_or_default().to_owned()
    }

    fn variants(&self) -> &'static [Variant] {
        &VARIANTS
    }

    fn prepare(&mut self, site: &Site, page: &Page) -> Result<(), String> {
        self.settings = site.folder.join("server/settings.mjs");
        files::write(&self.settings, page.block("settings.mjs")?).map_err(String::from)
    }

    fn start(&mut self, site: &Site) -> Result<(), String> {
        let folder = site.folder.join("server");
        let mut command = Command::new(setup::artifacts().node);
        command
            .arg(self.folder.join("server.mjs"))
            .env("PORT", site.ports.authorization_server.to_string())
            .env("ADMIN_PORT", site.admin_port.to_string())
            .env("ORIGIN", site.options().origin("login"))
            .env("SETTINGS", &self.settings)
            .env("DATABASE", folder.join("better-auth.sqlite"))
            .env("USERNAME", USERNAME)
            .env("PASSWORD", PASSWORD);
        let ready = || is_up(site.server(), self.jwks_path());
        let program = Program::start(&folder.join("better-auth.log"), command, ready)?;
        self.program = Some(program);
        Ok(())
    }

    fn stop(&mut self) {
        self.program = None;
    }

    fn jwks_path(&self) -> &'static str {
        "/api/auth/jwks"
    }

    fn audience(&self, site: &Site) -> String {
        format!("{}/api", site.options().api_origin())
    }

    fn end_sessions(&self, walk: &Walk<'_>, _: &[String]) -> Offered {
        act(walk, "/end-sessions").map(|()| None)
    }

    fn replace_key(&mut self, walk: &Walk<'_>) -> Offered {
        act(walk, "/new-key").map(|()| None)
    }

    fn rate_limit(&self) -> Option<fn(&Walk<'_>) -> StepResult> {
        Some(rate_limit)
    }

    fn explain(&self, step: &str) -> Option<&'static str> {
        Some(match step {
            "sign-out without ID token hint" => {
                "its page that asks the user has the Content Security Policy `form-action 'self'`, so Chromium does not follow \
                 the redirect to the application (@better-auth/oauth-provider, logoutPage): keep `send_id_token_hint` on"
            }
            "the API refuses a revoked access token" => {
                "it revokes no JWT access token: it answers HTTP 400 `unsupported_token_type`, and introspection continues to call \
                 the token active (@better-auth/oauth-provider, revokeEndpoint): configure a short lifetime of access tokens"
            }
            _ => return None,
        })
    }
}

/// The session outlives the limit, and continues after it.
fn rate_limit(walk: &Walk<'_>) -> StepResult {
    let mut user = walk.signed_in()?;
    act(walk, "/limit?on=1")?;
    let mut refreshes = (0..TOKEN_REQUESTS).map(|_| user.bff("POST", "/bff/refresh"));
    let limited = refreshes.find(|response| response.status != 204);
    act(walk, "/limit?on=0")?;
    let limited =
        limited.ok_or_else(|| format!("the server has no rate limit: {TOKEN_REQUESTS} refreshes succeeded"))?;
    expect("/refresh beyond the limit", &limited, 503)?;
    if walk.session(&mut user)?["isLoggedIn"] != true {
        return Err("the session has ended with the limit".to_owned());
    }
    walk.refresh(&mut user)?;
    walk.call_api(&user)?;
    Ok(Done::Passed)
}
