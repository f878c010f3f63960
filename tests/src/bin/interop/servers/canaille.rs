//! Canaille, with its database in a file and the configuration of the page.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bff_tests::http1::{Request, send_plain_as};
use bff_tests::renamed_server;
use demo_system::files;

use super::{Offered, Server, fetched};
use crate::page::Page;
use crate::site::{PASSWORD, Site, USERNAME};
use crate::variant::{Form, Variant};
use crate::walk::Walk;
use bff_tests::program::Program;

pub(crate) const NAME: &str = "canaille";

const CONFIGURATION: &str = "canaille.toml";
const CLIENTS: &str = "clients.json";

const VARIANTS: [Variant; 3] = [
    Variant {
        what: "JWT access tokens, introspected",
        filter: Some("filter"),
        form: Form::Checked,
        hint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "claims in headers, introspection by the service's client",
        filter: Some("filter claims"),
        form: Form::Claims,
        userinfo_endpoint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "JWT access tokens, without introspection",
        hint: true,
        ..Variant::PLAIN
    },
];

struct Canaille {
    executable: PathBuf,
    folder: PathBuf,
    /// The configuration of the page, without keys.
    configuration: String,
    /// In TOML, the newest at the end.
    keys: Vec<String>,
    program: Option<Program>,
}

pub(crate) fn new() -> Result<Box<dyn Server>, String> {
    Ok(Box::new(Canaille {
        executable: fetched("INTEROP_CANAILLE")?,
        folder: PathBuf::new(),
        configuration: String::new(),
        keys: Vec::new(),
        program: None,
    }))
}

/// Its name and port, as browsers see them.
fn authority(site: &Site) -> String {
    site.options().origin("login").replace("https://", "")
}

impl Canaille {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .args(words)
            // The database is there, and Canaille would read a `.env`.
            .current_dir(&self.folder)
            .env("CANAILLE_CONFIG", self.folder.join(CONFIGURATION));
        command
    }

    /// The output of a command with this input.
    fn run(&self, words: &[&str], input: &str) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("`canaille {}` failed: {error}", words.join(" "));
        let mut command = self.command(words);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        // Dropped after this, so that the input ends.
        let stdin = child.stdin.take();
        stdin
            .map(|mut stdin| stdin.write_all(input.as_bytes()))
            .transpose()
            .map_err(failed)?;
        let output = child.wait_with_output().map_err(failed)?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(format!(
                "`canaille {}` failed: {}",
                words.join(" "),
                String::from_utf8_lossy(&output.stderr)
            )),
        }
    }

    /// From the next start on, a new key signs, and the former ones only verify.
    fn add_key(&mut self) -> Result<(), String> {
        let key = self.run(&["jwk", "create", "rsa", "--format", "toml"], "")?;
        self.keys.push(key.trim().to_owned());
        let (newest, former) = self
            .keys
            .split_last()
            .ok_or("adding a signing key failed: Canaille has none")?;
        let text = self
            .configuration
            .replace("THE_SIGNING_KEY", newest)
            .replace("THE_FORMER_KEYS", &former.join(", "));
        files::write(&self.folder.join(CONFIGURATION), text).map_err(String::from)
    }
}

impl Server for Canaille {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "Canaille"
    }

    fn version(&self) -> String {
        let text = self.run(&["--version"], "").unwrap_or_default();
        text.split_whitespace().last().unwrap_or_default().to_owned()
    }

    fn variants(&self) -> &'static [Variant] {
        &VARIANTS
    }

    fn prepare(&mut self, site: &Site, page: &Page) -> Result<(), String> {
        self.folder = site.folder.join("server");
        // Names without a scheme are not replaced elsewhere. A trusted domain has no port.
        let page_host = site.options().origin("www").replace("https://", "");
        let page_host = page_host.split(':').next().unwrap_or_default();
        self.configuration = page
            .block(CONFIGURATION)?
            .replace("www.example.com", page_host)
            .replace("login.example.com", &authority(site));
        self.add_key()?;
        self.run(&["db", "upgrade"], "")?;
        self.run(&["install"], "")?;
        self.run(&["restore"], page.block(CLIENTS)?)?;
        let user = [
            "--user-name",
            USERNAME,
            "--password",
            PASSWORD,
            "--given-name",
            "Demo",
            "--family-name",
            "User",
            "--formatted-name",
            "Demo User",
            "--emails",
            "demo@example.com",
        ];
        self.run(&[&["create", "user"], &user[..]].concat(), "").map(|_| ())
    }

    fn start(&mut self, site: &Site) -> Result<(), String> {
        let request = Request::new("GET", self.jwks_path());
        let authority = authority(site);
        let ready = || send_plain_as(site.server(), &authority, &request).is_ok_and(|response| response.status == 200);
        let program = Program::start(
            &self.folder.join("canaille.log"),
            self.command(&["run", "--bind", &site.server().to_string()]),
            ready,
        )?;
        self.program = Some(program);
        Ok(())
    }

    fn stop(&mut self) {
        // Dropping the program stops it.
        self.program = None;
    }

    fn jwks_path(&self) -> &'static str {
        "/oauth/jwks.json"
    }

    /// Canaille redirects requests with another `Host` (canaille/app/flask.py, redirect_to_server_name).
    fn keys(&self, site: &Site) -> SocketAddr {
        renamed_server::start(site.server(), authority(site))
    }

    fn token_type(&self) -> &'static str {
        "JWT"
    }

    /// An audience is a client.
    fn audience(&self, _: &Site) -> String {
        "api-gateway-client".to_owned()
    }

    fn end_sessions(&self, _: &Walk<'_>, _: &[String]) -> Offered {
        Ok(Some("it has neither back-channel logout nor a `sid`"))
    }

    fn replace_key(&mut self, walk: &Walk<'_>) -> Offered {
        self.add_key()?;
        self.stop();
        self.start(walk.site).map(|()| None)
    }

    fn explain(&self, step: &str) -> Option<&'static str> {
        Some(match step {
            "`prompt=none` without one: `login_required`" => {
                "its error responses have no `iss`, although its metadata announces it (canaille/oidc/endpoints/oauth.py: authorize \
                 returns handle_error_response, without Authlib's IssuerParameter), so the service refuses them with \
                 HTTP 400 `invalid_request`: treat this response to `prompt=none` as `login_required`"
            }
            _ => return None,
        })
    }
}
