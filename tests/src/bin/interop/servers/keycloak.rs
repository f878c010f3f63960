//! Keycloak, from its distribution, with the realm of the page.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use bff_tests::http1::{Request, Response};
use serde_json::{Value, json};

use super::{Offered, Server, fetched};
use crate::page::Page;
use crate::site::{Site, USERNAME};
use crate::steps::{Done, StepResult};
use crate::variant::{Form, Variant};
use crate::walk::{Walk, expect, shown};
use bff_tests::program::{Program, is_up};

pub(crate) const NAME: &str = "keycloak";

const REALM: &str = "example";
/// The administrator of the first start.
const ADMIN: &str = "administrator-of-the-tests";
/// The client's attribute "Client Session Max", and its value in a step.
const LIMIT: &str = "client.session.max.lifespan";
const SHORT_SESSION_SECONDS: u64 = 20;

const VARIANTS: [Variant; 8] = [
    Variant {
        what: "lightweight access tokens, exchanged",
        filter: Some("filter"),
        form: Form::Exchanged,
        ..Variant::PLAIN
    },
    Variant {
        what: "JWT access tokens, introspected",
        filter: Some("filter"),
        form: Form::Checked,
        userinfo_endpoint: true,
        hint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "JWT access tokens, without introspection",
        ..Variant::PLAIN
    },
    Variant {
        what: "claims in headers, introspection by the service's client",
        filter: Some("filter claims"),
        form: Form::Claims,
        ..Variant::PLAIN
    },
    Variant {
        what: "token exchange after introspection",
        ..TOKEN_EXCHANGE
    },
    Variant {
        what: "token exchange after introspection, native module",
        native: true,
        ..TOKEN_EXCHANGE
    },
    Variant {
        what: "token exchange instead of introspection",
        without_introspection: true,
        ..TOKEN_EXCHANGE
    },
    Variant {
        what: "token exchange instead of introspection, native module",
        without_introspection: true,
        native: true,
        ..TOKEN_EXCHANGE
    },
];

const TOKEN_EXCHANGE: Variant = Variant {
    filter: Some("filter token-exchange"),
    form: Form::TokenExchange,
    ..Variant::PLAIN
};

struct Keycloak {
    home: PathBuf,
    program: Option<Program>,
}

pub(crate) fn new() -> Result<Box<dyn Server>, String> {
    let home = fetched("INTEROP_KEYCLOAK")?;
    Ok(Box::new(Keycloak { home, program: None }))
}

impl Server for Keycloak {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "Keycloak"
    }

    fn version(&self) -> String {
        let text = fs::read_to_string(self.home.join("version.txt")).unwrap_or_default();
        text.trim().trim_start_matches("Keycloak - Version ").to_owned()
    }

    fn variants(&self) -> &'static [Variant] {
        &VARIANTS
    }

    /// Access tokens are lightweight only if the API gets another one.
    fn select(&self, walk: &Walk<'_>) -> Result<(), String> {
        let lightweight = matches!(walk.variant.form, Form::Exchanged | Form::TokenExchange);
        Admin::new(walk)?.set_attribute("client.use.lightweight.access.token.enabled", &lightweight.to_string())
    }

    fn prepare(&mut self, _: &Site, page: &Page) -> Result<(), String> {
        let data = self.home.join("data");
        let failed = |error: std::io::Error| format!("preparing {} failed: {error}", data.display());
        if data.exists() {
            fs::remove_dir_all(&data).map_err(failed)?;
        }
        fs::create_dir_all(data.join("import")).map_err(failed)?;
        fs::write(
            data.join("import/example-realm.json"),
            page.block("example-realm.json")?,
        )
        .map_err(failed)
    }

    fn start(&mut self, site: &Site) -> Result<(), String> {
        let mut command = Command::new(self.home.join("bin/kc.sh"));
        command
            .args(["start", "--optimized", "--import-realm", "--http-enabled=true"])
            .args(["--http-host=127.0.0.1", "--proxy-headers=xforwarded"])
            .arg(format!("--http-port={}", site.ports.authorization_server))
            .arg(format!("--http-management-port={}", site.admin_port))
            .arg(format!("--hostname={}", site.options().origin("login")))
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN)
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMIN)
            .env("JAVA_OPTS_KC_HEAP", "-Xms128m -Xmx768m");
        let path = format!("/realms/{REALM}/.well-known/openid-configuration");
        let is_ready = || is_up(site.server(), &path);
        self.program = Some(Program::start(&self.home.join("server.log"), command, is_ready)?);
        Ok(())
    }

    fn stop(&mut self) {
        self.program = None;
    }

    fn jwks_path(&self) -> &'static str {
        "/realms/example/protocol/openid-connect/certs"
    }

    fn end_sessions(&self, walk: &Walk<'_>, _: &[String]) -> Offered {
        let admin = Admin::new(walk)?;
        let users = admin.get(&format!("/users?exact=true&username={USERNAME}"))?;
        let id = users[0]["id"].as_str().ok_or_else(|| {
            format!("missing user {USERNAME} in Keycloak: add it to the realm in docs/providers/keycloak.md")
        })?;
        admin.post(&format!("/users/{id}/logout"), &json!({}), 204)?;
        Ok(None)
    }

    fn replace_key(&mut self, walk: &Walk<'_>) -> Offered {
        let admin = Admin::new(walk)?;
        let key = json!({
            "name": "next",
            "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": ["200"], "algorithm": ["RS256"]},
        });
        admin.post("/components", &key, 201)?;
        Ok(None)
    }

    fn session_limit(&self) -> Option<fn(&Walk<'_>) -> StepResult> {
        Some(session_limit)
    }
}

/// Tokens do not outlive the session, whose limit is set for the time of this step.
fn session_limit(walk: &Walk<'_>) -> StepResult {
    let admin = Admin::new(walk)?;
    admin.set_attribute(LIMIT, &SHORT_SESSION_SECONDS.to_string())?;
    let result = limited_session(walk);
    admin.set_attribute(LIMIT, "")?;
    result
}

fn limited_session(walk: &Walk<'_>) -> StepResult {
    let mut user = walk.signed_in()?;
    let session = walk.session(&mut user)?;
    let left = session["sessionExpiresIn"].as_u64();
    if left.is_none_or(|left| left > SHORT_SESSION_SECONDS) {
        return Err(format!(
            "the limit of {SHORT_SESSION_SECONDS} s is not in the response of /session: {session}"
        ));
    }
    walk.refresh(&mut user)?;
    std::thread::sleep(Duration::from_secs(SHORT_SESSION_SECONDS + 1));
    let session = walk.session(&mut user)?;
    if session["isLoggedIn"] != false {
        return Err(format!(
            "/session still has a session after its limit of {SHORT_SESSION_SECONDS} s at the server: {session}"
        ));
    }
    let response = user.bff("POST", "/bff/refresh");
    expect("/refresh after the limit", &response, 401)?;
    Ok(Done::Passed)
}

/// Keycloak's REST API for administrators of the realm.
struct Admin<'a> {
    walk: &'a Walk<'a>,
    token: String,
}

impl<'a> Admin<'a> {
    fn new(walk: &'a Walk<'a>) -> Result<Self, String> {
        let form = format!("grant_type=password&client_id=admin-cli&username={ADMIN}&password={ADMIN}");
        let request = Request::new("POST", "/realms/master/protocol/openid-connect/token").form(&form);
        let response = walk.send_to_server(&request)?;
        let token = response.json()["access_token"].as_str().map(str::to_owned);
        let token = token.ok_or_else(|| {
            format!(
                "the token request of Keycloak's administrator failed: {}",
                shown(&response)
            )
        })?;
        Ok(Self { walk, token })
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Response, String> {
        let request = Request::new(method, &format!("/admin/realms/{REALM}{path}"))
            .header("authorization", format!("Bearer {}", self.token));
        self.walk.send_to_server(&match body {
            Some(body) => request.json(body),
            None => request,
        })
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let response = self.send("GET", path, None)?;
        expect(path, &response, 200)?;
        Ok(response.json())
    }

    fn post(&self, path: &str, body: &Value, status: u16) -> Result<(), String> {
        expect(path, &self.send("POST", path, Some(body))?, status)
    }

    /// Changes an attribute of the service's client.
    fn set_attribute(&self, name: &str, value: &str) -> Result<(), String> {
        let clients = self.get("/clients?clientId=spa-client")?;
        let mut client = clients[0].clone();
        let id = client["id"]
            .as_str()
            .ok_or("missing client spa-client in Keycloak: add it to the realm in docs/providers/keycloak.md")?;
        let path = format!("/clients/{id}");
        client["attributes"][name] = value.into();
        expect(&path, &self.send("PUT", &path, Some(&client))?, 204)
    }
}
