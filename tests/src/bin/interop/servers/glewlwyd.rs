//! Glewlwyd, from Debian's packages, with a database in a file.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use bff_tests::http1::{Request, send_plain};
use bff_tests::{repository, setup};
use demo_system::files;
use serde_json::{Value, json};

use super::{Offered, Server, fetched, folder_in};
use crate::page::Page;
use crate::site::{Site, USERNAME};
use crate::variant::{Form, Variant};
use crate::walk::{Walk, shown};
use bff_tests::program::{Program, is_up};

pub(crate) const NAME: &str = "glewlwyd";

/// Of the administrator in a new database.
const ADMIN: &str = "admin";
const ADMINS_PASSWORD: &str = "password";
const PLUGIN: &str = "/mod/plugin/oidc";
const CLIENTS: &str = "/mod/client/database";

const VARIANTS: [Variant; 3] = [
    Variant {
        what: "claims in headers",
        filter: Some("filter"),
        form: Form::Claims,
        hint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "JWT access tokens, without introspection",
        userinfo_endpoint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "claims in headers, introspection by the service's client",
        filter: Some("filter own client"),
        form: Form::Claims,
        hint: true,
        ..Variant::PLAIN
    },
];

struct Glewlwyd {
    /// What was fetched.
    home: PathBuf,
    folder: PathBuf,
    program: Option<Program>,
}

pub(crate) fn new() -> Result<Box<dyn Server>, String> {
    Ok(Box::new(Glewlwyd {
        home: fetched("INTEROP_GLEWLWYD")?,
        folder: PathBuf::new(),
        program: None,
    }))
}

impl Glewlwyd {
    /// The package's sample, with the settings of the page and of the run.
    fn configuration(&self, site: &Site, page: &Page) -> Result<String, String> {
        let sample = files::read(&self.home.join("glewlwyd.conf"))?;
        let root = self.home.join("root");
        let own = format!(
            "port={}\nbind_address=\"127.0.0.1\"\nstatic_files_path=\"{}/\"\n",
            site.ports.authorization_server,
            self.home.join("webapp").display(),
        );
        let settings = page.block("glewlwyd.conf")?.lines().chain(own.lines());
        let text = settings.fold(sample, |text, line| with_setting(&text, line));
        Ok(text
            .replace("/usr/lib/glewlwyd", &root.join("usr/lib/glewlwyd").to_string_lossy())
            .replace(
                "/var/cache/glewlwyd/glewlwyd.db",
                &self.folder.join("glewlwyd.db").to_string_lossy(),
            ))
    }

    /// What the page tells the administrator to do.
    fn set_up(&self, site: &Site, page: &Page) -> Result<(), String> {
        let admin = Admin::new(site)?;
        let block = |name: &str| -> Result<Value, String> {
            serde_json::from_str(page.block(name)?)
                .map_err(|error| format!("docs/providers/glewlwyd.md: invalid block `{name}`: {error}"))
        };
        let mut clients = admin.get(CLIENTS)?;
        for (name, property) in block("data-format.json")?.as_object().into_iter().flatten() {
            clients["parameters"]["data-format"][name] = property.clone();
        }
        admin.change_module(CLIENTS, &clients)?;
        for scope in block("scopes.json")?.as_array().into_iter().flatten() {
            admin.send("POST", "/scope/", scope)?;
        }
        admin.send("POST", "/user/", &block("user.json")?)?;
        for name in ["spa-client.json", "api-gateway-client.json"] {
            admin.send("POST", "/client/", &block(name)?)?;
        }
        let mut plugin = block("plugin.json")?;
        plugin["parameters"]["jwks-private"] = json!({"keys": [new_key("first")?]}).to_string().into();
        admin.send("POST", "/mod/plugin/", &plugin)?;
        let consent = json!({"scope": "openid profile email"});
        admin.send("PUT", &format!("/delegate/{USERNAME}/auth/grant/spa-client"), &consent)
    }
}

impl Server for Glewlwyd {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "Glewlwyd"
    }

    fn version(&self) -> String {
        fs::read_to_string(self.home.join("version")).unwrap_or_default()
    }

    fn variants(&self) -> &'static [Variant] {
        &VARIANTS
    }

    fn prepare(&mut self, site: &Site, page: &Page) -> Result<(), String> {
        self.folder = site.folder.join("server");
        let database = self.home.join("glewlwyd.db");
        fs::copy(&database, self.folder.join("glewlwyd.db"))
            .map_err(|error| format!("copying {} failed: {error}", database.display()))?;
        files::write(&self.folder.join("glewlwyd.conf"), self.configuration(site, page)?)?;
        self.start(site)?;
        self.set_up(site, page)
    }

    fn start(&mut self, site: &Site) -> Result<(), String> {
        if self.program.is_some() {
            return Ok(());
        }
        let root = self.home.join("root");
        let mut command = Command::new(root.join("usr/bin/glewlwyd"));
        command
            .arg(format!("--config-file={}", self.folder.join("glewlwyd.conf").display()))
            .env("LD_LIBRARY_PATH", folder_in(&root.join("usr/lib"), "-linux-gnu")?);
        let ready = || is_up(site.server(), "/config");
        let program = Program::start(&self.folder.join("glewlwyd.log"), command, ready)?;
        self.program = Some(program);
        Ok(())
    }

    fn stop(&mut self) {
        self.program = None;
    }

    fn jwks_path(&self) -> &'static str {
        "/api/oidc/jwks"
    }

    fn audience(&self, site: &Site) -> String {
        format!("{}/api", site.options().api_origin())
    }

    fn has_sign_out_page(&self) -> bool {
        true
    }

    fn end_sessions(&self, walk: &Walk<'_>, sids: &[String]) -> Offered {
        let admin = Admin::new(walk.site)?;
        for sid in sids {
            let path = format!("/oidc/session/{sid}?impersonate={USERNAME}");
            admin.send("DELETE", &path, &Value::Null)?;
        }
        Ok(None)
    }

    /// The first key signs. The old one stays for tokens that it has signed.
    fn replace_key(&mut self, walk: &Walk<'_>) -> Offered {
        let admin = Admin::new(walk.site)?;
        let mut plugin = admin.get(PLUGIN)?;
        let keys = plugin["parameters"]["jwks-private"].as_str().unwrap_or_default();
        let mut keys: Value =
            serde_json::from_str(keys).map_err(|error| format!("reading the keys of Glewlwyd failed: {error}"))?;
        let list = keys["keys"]
            .as_array_mut()
            .ok_or("replacing the signing key failed: Glewlwyd has none")?;
        list.insert(0, new_key("second")?);
        plugin["parameters"]["jwks-private"] = keys.to_string().into();
        admin.change_module(PLUGIN, &plugin)?;
        Ok(None)
    }

    fn explain(&self, step: &str) -> Option<&'static str> {
        Some(match step {
            "`prompt=none` with a session at the server" => {
                "it answers `invalid_request` unless `id_token_hint` is the newest ID token (protocol_oidc.c, \
                 validate_endpoint_auth), and a page that has just been opened has none: do not send `prompt=none`"
            }
            "`prompt=none` without one: `login_required`" => {
                "its error is `interaction_required` (protocol_oidc.c, validate_endpoint_auth): do not send `prompt=none`"
            }
            "`max_age`: the password is asked for again" => {
                "it asks for the password, but `auth_time` is always 0: it looks for the user's session in the cookies of the \
                 token request (protocol_oidc.c, check_auth_type_access_token_request): do not send `max_age`"
            }
            "sign-out without ID token hint" => {
                "without `id_token_hint` it answers HTTP 200 with an empty page, and the session continues (protocol_oidc.c, \
                 callback_oidc_end_session): keep `send_id_token_hint` on"
            }
            _ => return None,
        })
    }
}

/// The text of a configuration with the setting of a line, `name=value`.
fn with_setting(text: &str, setting: &str) -> String {
    let name = |line: &str| line.split_once('=').map(|(name, _)| name.trim().to_owned());
    let wanted = name(setting);
    let others = text.lines().filter(|line| name(line) != wanted);
    others.fold(setting.to_owned() + "\n", |text, line| text + line + "\n")
}

/// A private key as a JWK.
fn new_key(kid: &str) -> Result<Value, String> {
    let script = repository::path("tests/interop/glewlwyd/key.mjs");
    let output = Command::new(setup::artifacts().node).arg(script).arg(kid).output();
    let output = output.map_err(|error| format!("starting node for a new key of Glewlwyd failed: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("creating a key with tests/interop/glewlwyd/key.mjs failed: {error}: {said}")
    })
}

/// The interface for administrators, `/api`.
struct Admin {
    address: SocketAddr,
    cookie: String,
}

impl Admin {
    fn new(site: &Site) -> Result<Admin, String> {
        let mut admin = Admin {
            address: site.server(),
            cookie: String::new(),
        };
        let response = admin.request(
            "POST",
            "/auth/",
            &json!({"username": ADMIN, "password": ADMINS_PASSWORD}),
        )?;
        let cookie = response
            .header("set-cookie")
            .and_then(|cookie| cookie.split(';').next());
        admin.cookie = cookie
            .ok_or("the sign-in of Glewlwyd's administrator failed: no cookie in the response to /auth/")?
            .to_owned();
        Ok(admin)
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Result<bff_tests::http1::Response, String> {
        let request = Request::new(method, &format!("/api{path}")).header("cookie", &self.cookie);
        let request = match body {
            Value::Null => request,
            body => request.json(body),
        };
        let response = send_plain(self.address, &request)
            .map_err(|error| format!("{method} /api{path} of Glewlwyd failed: {error}"))?;
        match response.status {
            200 => Ok(response),
            _ => Err(format!("{method} /api{path} of Glewlwyd failed: {}", shown(&response))),
        }
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        Ok(self.request("GET", path, &Value::Null)?.json())
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<(), String> {
        self.request(method, path, body).map(|_| ())
    }

    /// A module takes its settings from the database when it is reset.
    fn change_module(&self, path: &str, module: &Value) -> Result<(), String> {
        self.send("PUT", path, module)?;
        self.send("PUT", &format!("{path}/reset"), &json!({}))
    }
}
