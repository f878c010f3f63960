//! django-oauth-toolkit, in the Django project in `tests/interop/django-oauth-toolkit`, with the settings of the page.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::process::Command;

use bff_tests::repository;
use demo_system::files;

use super::{Offered, Server, fetched};
use crate::page::Page;
use crate::site::{PASSWORD, Site, USERNAME};
use crate::variant::{Form, Variant};
use crate::walk::Walk;
use bff_tests::program::{Program, is_up};

pub(crate) const NAME: &str = "django-oauth-toolkit";

/// The blocks of the page that are files of the project.
const FILES: [&str; 5] = ["settings.py", "settings_jwt.py", "openid.py", "urls.py", "clients.py"];

const VARIANTS: [Variant; 3] = [
    Variant {
        what: "opaque access tokens, claims in headers",
        filter: Some("filter"),
        form: Form::Claims,
        hint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "JWT access tokens, introspection by the service's client",
        filter: Some("filter jwt"),
        form: Form::Checked,
        userinfo_endpoint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "JWT access tokens, without introspection",
        hint: true,
        ..Variant::PLAIN
    },
];

struct DjangoOauthToolkit {
    python: PathBuf,
    folder: PathBuf,
    /// Whether access tokens are JWTs.
    jwt: Cell<bool>,
    program: RefCell<Option<Program>>,
}

pub(crate) fn new() -> Result<Box<dyn Server>, String> {
    Ok(Box::new(DjangoOauthToolkit {
        python: fetched("INTEROP_DJANGO_OAUTH_TOOLKIT")?,
        folder: PathBuf::new(),
        jwt: Cell::new(false),
        program: RefCell::new(None),
    }))
}

impl DjangoOauthToolkit {
    /// A command of the project.
    fn command(&self, site: &Site, word: &str) -> Command {
        let mut command = Command::new(&self.python);
        command
            // Compiled files would be written beside the sources.
            .arg("-B")
            .arg(repository::path("tests/interop/django-oauth-toolkit/project.py"))
            .arg(word)
            .env("FOLDER", &self.folder)
            .env("ORIGIN", site.options().origin("login"))
            .env("PORT", site.ports.authorization_server.to_string())
            .env("USERNAME", USERNAME)
            .env("PASSWORD", PASSWORD)
            .env("ACCESS_TOKENS", if self.jwt.get() { "jwt" } else { "opaque" });
        command
    }

    /// Does something with the project that ends by itself.
    fn run(&self, site: &Site, word: &str) -> Result<(), String> {
        let output = self.command(site, word).output();
        let output = output.map_err(|error| format!("starting Django failed: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!(
                "`{word}` of the Django project failed: {}",
                String::from_utf8_lossy(&output.stderr)
            )),
        }
    }

    /// Starts the project with its settings as they are now.
    fn serve(&self, site: &Site) -> Result<(), String> {
        // Dropping the previous program stops it.
        self.program.replace(None);
        let ready = || is_up(site.server(), self.jwks_path());
        let program = Program::start(&self.folder.join("django.log"), self.command(site, "serve"), ready)?;
        self.program.replace(Some(program));
        Ok(())
    }
}

impl Server for DjangoOauthToolkit {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "django-oauth-toolkit"
    }

    fn version(&self) -> String {
        let text = "import importlib.metadata as packages; print(packages.version('django-oauth-toolkit'))";
        let output = Command::new(&self.python).args(["-c", text]).output();
        let version = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&version).trim().to_owned()
    }

    fn variants(&self) -> &'static [Variant] {
        &VARIANTS
    }

    /// The form of access tokens is a setting, which Django reads when it starts.
    fn select(&self, walk: &Walk<'_>) -> Result<(), String> {
        let jwt = walk.variant.form != Form::Claims;
        match self.jwt.replace(jwt) == jwt {
            true => Ok(()),
            false => self.serve(walk.site),
        }
    }

    fn prepare(&mut self, site: &Site, page: &Page) -> Result<(), String> {
        self.folder = site.folder.join("server");
        for file in FILES {
            files::write(&self.folder.join(file), page.block(file)?)?;
        }
        self.run(site, "prepare")
    }

    fn start(&mut self, site: &Site) -> Result<(), String> {
        self.serve(site)
    }

    fn stop(&mut self) {
        self.program.replace(None);
    }

    fn jwks_path(&self) -> &'static str {
        "/.well-known/jwks.json"
    }

    fn end_sessions(&self, _: &Walk<'_>, _: &[String]) -> Offered {
        Ok(Some("it has neither back-channel logout nor a `sid`"))
    }

    fn replace_key(&mut self, walk: &Walk<'_>) -> Offered {
        self.run(walk.site, "add-key")?;
        self.serve(walk.site).map(|()| None)
    }

    fn explain(&self, step: &str) -> Option<&'static str> {
        Some(match step {
            "`max_age`: the password is asked for again" => {
                "it ignores `max_age` (oauth2_provider/views/base.py, AuthorizationView.get looks at `prompt` alone): \
                 `prompt=login` asks for the password"
            }
            _ => return None,
        })
    }
}
