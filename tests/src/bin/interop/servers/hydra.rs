//! Ory Hydra, with its database in a file, and the login and consent app in `tests/interop/hydra`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use bff_tests::http1::{Request, Response, send_plain};
use bff_tests::{repository, setup};
use demo_system::files;
use serde_json::{Value, json};

use super::{Offered, Server, fetched};
use crate::page::Page;
use crate::site::{PASSWORD, Site, USERNAME};
use crate::variant::{Form, Variant};
use crate::walk::{Walk, expect};
use bff_tests::program::{Program, is_up};

pub(crate) const NAME: &str = "hydra";

const VARIANTS: [Variant; 3] = [
    Variant {
        what: "opaque access tokens, claims in headers",
        filter: Some("filter"),
        form: Form::Claims,
        parameters: AUDIENCE,
        hint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "JWT access tokens, introspected",
        filter: Some("filter jwt"),
        form: Form::Checked,
        parameters: AUDIENCE,
        userinfo_endpoint: true,
        hint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "JWT access tokens, without introspection",
        parameters: AUDIENCE,
        ..Variant::PLAIN
    },
];

const AUDIENCE: &[(&str, &str)] = &[("audience", "demo-api")];

struct Hydra {
    program: PathBuf,
    folder: PathBuf,
    hydra: Option<Program>,
    pages: Option<Program>,
}

pub(crate) fn new() -> Result<Box<dyn Server>, String> {
    Ok(Box::new(Hydra {
        program: fetched("INTEROP_HYDRA")?,
        folder: PathBuf::new(),
        hydra: None,
        pages: None,
    }))
}

fn public(site: &Site) -> String {
    format!("http://127.0.0.1:{}", site.inner_port)
}

fn admin(site: &Site) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], site.admin_port))
}

impl Hydra {
    fn command(&self, site: &Site, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .arg("--config")
            .arg(self.folder.join("hydra.yml"))
            .env(
                "DSN",
                format!(
                    "sqlite://{}?_fk=true&_journal_mode=WAL&_busy_timeout=10000",
                    self.folder.join("hydra.sqlite").display()
                ),
            )
            .env("SECRETS_SYSTEM", "the-secret-of-hydra-in-the-tests")
            .env("SERVE_PUBLIC_HOST", "127.0.0.1")
            .env("SERVE_PUBLIC_PORT", site.inner_port.to_string())
            .env("SERVE_PUBLIC_TLS_ENABLED", "false")
            .env("SERVE_ADMIN_HOST", "127.0.0.1")
            .env("SERVE_ADMIN_PORT", site.admin_port.to_string())
            .env("SQA_OPT_OUT", "true");
        command
    }

    fn login_pages(&self, site: &Site) -> Command {
        let mut command = Command::new(setup::artifacts().node);
        command
            .arg(repository::path("tests/interop/hydra/pages.mjs"))
            .env("PORT", site.ports.authorization_server.to_string())
            .env("HYDRA_PUBLIC", public(site))
            .env("HYDRA_ADMIN", format!("http://{}", admin(site)))
            .env("USERNAME", USERNAME)
            .env("PASSWORD", PASSWORD);
        command
    }
}

impl Server for Hydra {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "Ory Hydra"
    }

    fn version(&self) -> String {
        let output = Command::new(&self.program).arg("version").output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let version = text.lines().find_map(|line| line.strip_prefix("Version:"));
        version.unwrap_or_default().trim().trim_start_matches('v').to_owned()
    }

    fn variants(&self) -> &'static [Variant] {
        &VARIANTS
    }

    fn select(&self, walk: &Walk<'_>) -> Result<(), String> {
        let strategy = match walk.variant.form {
            Form::Claims => "opaque",
            _ => "jwt",
        };
        let patch = json!([{"op": "replace", "path": "/access_token_strategy", "value": strategy}]);
        send(walk.site, "PATCH", "/admin/clients/spa-client", Some(&patch), 200)
    }

    fn prepare(&mut self, site: &Site, page: &Page) -> Result<(), String> {
        self.folder = site.folder.join("server");
        files::write(&self.folder.join("hydra.yml"), page.block("hydra.yml")?)?;
        let migrated = self
            .command(site, &["migrate", "sql", "up", "-e", "--yes"])
            .output()
            .map_err(|error| format!("starting Hydra failed: {error}"))?;
        if !migrated.status.success() {
            return Err(format!(
                "`hydra migrate sql up` failed: {}",
                String::from_utf8_lossy(&migrated.stderr)
            ));
        }
        // The client is registered while Hydra runs.
        self.start(site)?;
        let client: Value = serde_json::from_str(page.block("spa-client.json")?)
            .map_err(|error| format!("docs/providers/hydra.md: invalid block `spa-client.json`: {error}"))?;
        send(site, "POST", "/admin/clients", Some(&client), 201)
    }

    fn start(&mut self, site: &Site) -> Result<(), String> {
        if self.hydra.is_some() {
            return Ok(());
        }
        let ready = || is_up(admin(site), "/health/ready");
        let hydra = Program::start(
            &self.folder.join("hydra.log"),
            self.command(site, &["serve", "all"]),
            ready,
        )?;
        let ready = || is_up(site.server(), self.jwks_path());
        let pages = Program::start(&self.folder.join("pages.log"), self.login_pages(site), ready)?;
        (self.hydra, self.pages) = (Some(hydra), Some(pages));
        Ok(())
    }

    fn stop(&mut self) {
        // Dropping the programs stops them.
        (self.hydra, self.pages) = (None, None);
    }

    fn jwks_path(&self) -> &'static str {
        "/.well-known/jwks.json"
    }

    fn token_type(&self) -> &'static str {
        "JWT"
    }

    fn introspection(&self, site: &Site) -> Option<SocketAddr> {
        Some(admin(site))
    }

    fn end_sessions(&self, walk: &Walk<'_>, sids: &[String]) -> Offered {
        for sid in sids {
            let path = format!("/admin/oauth2/auth/sessions/login?sid={sid}");
            send(walk.site, "DELETE", &path, None, 204)?;
        }
        Ok(None)
    }

    fn replace_key(&mut self, walk: &Walk<'_>) -> Offered {
        for set in ["hydra.openid.id-token", "hydra.jwt.access-token"] {
            let key = json!({"alg": "RS256", "use": "sig"});
            send(walk.site, "POST", &format!("/admin/keys/{set}"), Some(&key), 201)?;
        }
        Ok(None)
    }

    fn explain(&self, step: &str) -> Option<&'static str> {
        Some(match step {
            "sign-out without ID token hint" => {
                "without `id_token_hint` it answers HTTP 400 to `post_logout_redirect_uri` and `state`, whatever the \
                 `client_id` (consent/strategy_default.go, issueLogoutVerifier): keep `send_id_token_hint` on"
            }
            "new signing key: refresh of a session from before the change" => {
                "it signs the ID token with the new key under the `kid` of the old one (oauth2/handler.go keeps the `kid` in the \
                 session; hydra #3573), so the service ends the session"
            }
            _ => return None,
        })
    }
}

/// Sends a request to the administration port.
fn send(site: &Site, method: &str, path: &str, body: Option<&Value>, status: u16) -> Result<(), String> {
    let request = Request::new(method, path);
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let response: Response =
        send_plain(admin(site), &request).map_err(|error| format!("the request to {path} failed: {error}"))?;
    expect(path, &response, status)
}
