//! The portal of LemonLDAP::NG, from Debian's packages, with users in SQLite and everything else in files.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use bff_tests::http1::Request;
use bff_tests::repository;
use demo_system::files;
use serde_json::{Value, json};
use url::{Position, Url};

use super::{Offered, Server, fetched, folder_in};
use crate::page::Page;
use crate::site::{PASSWORD, Site, USERNAME};
use crate::variant::{Form, Variant};
use crate::walk::{Walk, expect};
use bff_tests::program::{Program, is_up};

pub(crate) const NAME: &str = "lemonldap";

/// How many processes serve requests.
const WORKERS: u32 = 4;
/// The setting of the page that says whether access tokens are JWTs.
const JWT: &str = "oidcRPMetaDataOptionsAccessTokenJWT";

const VARIANTS: [Variant; 3] = [
    Variant {
        what: "opaque access tokens, claims in headers",
        filter: Some("filter"),
        form: Form::Claims,
        hint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "JWT access tokens, introspected by the service's client",
        filter: Some("filter jwt"),
        form: Form::Checked,
        userinfo_endpoint: true,
        ..Variant::PLAIN
    },
    Variant {
        what: "JWT access tokens, without introspection",
        ..Variant::PLAIN
    },
];

struct LemonLdap {
    /// What was fetched.
    home: PathBuf,
    folder: PathBuf,
    program: RefCell<Option<Program>>,
    /// The configuration, whose versions have numbers.
    configuration: RefCell<Value>,
}

pub(crate) fn new() -> Result<Box<dyn Server>, String> {
    Ok(Box::new(LemonLdap {
        home: fetched("INTEROP_LEMONLDAP")?,
        folder: PathBuf::new(),
        program: RefCell::default(),
        configuration: RefCell::default(),
    }))
}

impl LemonLdap {
    fn root(&self) -> PathBuf {
        self.home.join("root")
    }

    /// Perl, with the modules of the packages.
    fn perl(&self) -> Result<Command, String> {
        let root = self.root();
        let compiled = folder_in(&root.join("usr/lib"), "-linux-gnu")?;
        let versions = folder_in(&compiled.join("perl5"), "")?;
        let modules = [
            repository::path("tests/interop/lemonldap"),
            root.join("usr/share/perl5"),
            versions,
        ];
        let modules = std::env::join_paths(modules)
            .map_err(|error| format!("setting PERL5LIB for LemonLDAP::NG failed: {error}"))?;
        let mut perl = Command::new("perl");
        perl.env("PERL5LIB", modules)
            .env("LD_LIBRARY_PATH", compiled)
            .env("LLNG_DEFAULTCONFFILE", self.folder.join("lemonldap-ng.ini"))
            .env("ROOT", root);
        Ok(perl)
    }

    /// What the page leaves out: users, sessions, keys.
    fn complete(&self, mut configuration: Value, site: &Site) -> Result<Value, String> {
        let storage = |name: &str| {
            let folder = self.folder.join(name);
            json!({
                "Directory": &folder,
                "LockDirectory": folder.join("lock"),
                "generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256",
            })
        };
        let origin = site.options().origin("login");
        let portal =
            Url::parse(&origin).map_err(|error| format!("invalid origin `{origin}` of the portal: {error}"))?;
        let rest = json!({
            "cfgAuthor": "interop",
            "cfgVersion": self.version().split('+').next(),
            "key": "the-key-of-the-tests",
            "domain": portal.host_str(),
            "cookieName": "lemonldap",
            "whatToTrace": "uid",
            "authentication": "DBI",
            "userDB": "Same",
            "passwordDB": "Null",
            "registerDB": "Null",
            "dbiAuthChain": format!("dbi:SQLite:dbname={}", self.users().display()),
            "dbiAuthUser": "",
            "dbiAuthPassword": "",
            "dbiAuthTable": "users",
            "dbiUserTable": "users",
            "dbiAuthLoginCol": "uid",
            "userPivot": "uid",
            "dbiAuthPasswordCol": "password",
            "dbiAuthPasswordHash": "",
            "dbiExportedVars": {"uid": "uid", "cn": "cn", "mail": "mail"},
            "globalStorage": "Apache::Session::File",
            "globalStorageOptions": storage("sessions"),
            "persistentStorage": "Apache::Session::File",
            "persistentStorageOptions": storage("psessions"),
            "localSessionStorage": "",
            "locationRules": {&portal[Position::BeforeHost..Position::AfterPort]: {"default": "accept"}},
            "portalSkin": "bootstrap",
            "captcha": "UnusedCaptcha",
            "loginHistoryEnabled": 0,
        });
        let members = configuration
            .as_object_mut()
            .ok_or("docs/providers/lemonldap.md: invalid block `lmConf.json`: write a JSON object")?;
        members.extend(rest.as_object().cloned().unwrap_or_default());
        set_key(&mut configuration, "first")?;
        Ok(configuration)
    }

    fn users(&self) -> PathBuf {
        self.folder.join("users.sqlite")
    }

    fn create_users(&self) -> Result<(), String> {
        let script = "my $db = DBI->connect(\"dbi:SQLite:dbname=$ARGV[0]\", '', '', { RaiseError => 1 }); \
                      $db->do('create table users (uid text primary key, password text, cn text, mail text)'); \
                      $db->do('insert into users values (?, ?, ?, ?)', undef, @ARGV[1 .. 4]);";
        let mut perl = self.perl()?;
        perl.args(["-MDBI", "-e", script]).arg(self.users());
        let output = perl
            .args([USERNAME, PASSWORD, "Demo User", "demo@example.com"])
            .output();
        let output = output.map_err(|error| format!("starting perl failed: {error}: install Perl"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!(
                "creating the users of LemonLDAP::NG failed: {}",
                String::from_utf8_lossy(&output.stderr)
            )),
        }
    }

    /// Writes the next version of the configuration, which the portal reads when it starts.
    fn save(&self) -> Result<(), String> {
        let mut configuration = self.configuration.borrow_mut();
        let number = configuration["cfgNum"].as_u64().unwrap_or_default() + 1;
        configuration["cfgNum"] = number.into();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        configuration["cfgDate"] = now.as_secs().into();
        let path = self.folder.join(format!("conf/lmConf-{number}.json"));
        files::write(&path, configuration.to_string()).map_err(String::from)
    }

    /// Changes the configuration of the portal.
    fn change(&self, site: &Site, change: impl FnOnce(&mut Value) -> Result<(), String>) -> Result<(), String> {
        change(&mut self.configuration.borrow_mut())?;
        self.save()?;
        self.program.take();
        self.run(site)
    }

    fn run(&self, site: &Site) -> Result<(), String> {
        if self.program.borrow().is_some() {
            return Ok(());
        }
        let mut starman = self.perl()?;
        starman
            .arg(self.root().join("usr/bin/starman"))
            .args(["--preload-app", "--workers", &WORKERS.to_string()])
            // It closes an idle connection after a second, perhaps at the moment when Envoy sends the next request on it.
            .arg("--disable-keepalive")
            .arg(format!("--listen=127.0.0.1:{}", site.ports.authorization_server))
            .arg(repository::path("tests/interop/lemonldap/portal.psgi"));
        let ready = || is_up(site.server(), self.jwks_path());
        let program = Program::start(&self.folder.join("portal.log"), starman, ready)?;
        self.program.replace(Some(program));
        Ok(())
    }
}

impl Server for LemonLdap {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "LemonLDAP::NG"
    }

    fn version(&self) -> String {
        fs::read_to_string(self.home.join("version")).unwrap_or_default()
    }

    fn variants(&self) -> &'static [Variant] {
        &VARIANTS
    }

    fn select(&self, walk: &Walk<'_>) -> Result<(), String> {
        let is_jwt = walk.variant.form != Form::Claims;
        self.change(walk.site, |configuration| {
            configuration["oidcRPMetaDataOptions"]["spa"][JWT] = u8::from(is_jwt).into();
            Ok(())
        })
    }

    fn prepare(&mut self, site: &Site, page: &Page) -> Result<(), String> {
        self.folder = site.folder.join("server");
        for folder in ["conf", "sessions/lock", "psessions/lock"] {
            files::create_dir(&self.folder.join(folder))?;
        }
        let settings = format!(
            "[all]\nlogLevel = info\n[configuration]\ntype = File\ndirName = {}\n\
             [portal]\nstaticPrefix = /static\nlanguages = en\ntemplateDir = {}\n",
            self.folder.join("conf").display(),
            self.root().join("usr/share/lemonldap-ng/portal/templates").display(),
        );
        files::write(&self.folder.join("lemonldap-ng.ini"), settings)?;
        self.create_users()?;
        let configuration = serde_json::from_str(page.block("lmConf.json")?)
            .map_err(|error| format!("docs/providers/lemonldap.md: invalid block `lmConf.json`: {error}"))?;
        let configuration = self.complete(configuration, site)?;
        self.configuration.replace(configuration);
        self.save()
    }

    fn start(&mut self, site: &Site) -> Result<(), String> {
        self.run(site)
    }

    fn stop(&mut self) {
        self.program.take();
    }

    fn jwks_path(&self) -> &'static str {
        "/oauth2/jwks"
    }

    fn token_type(&self) -> &'static str {
        "at+JWT"
    }

    /// Signs the user out at the portal in each browser, whose cookie is the name of one of the portal's files.
    fn end_sessions(&self, walk: &Walk<'_>, _: &[String]) -> Offered {
        for id in sessions(&self.folder.join("sessions"))? {
            let request = Request::new("GET", "/?logout=1").header("cookie", format!("lemonldap={id}"));
            expect("sign-out at the portal", &walk.send_to_server(&request)?, 200)?;
        }
        Ok(None)
    }

    fn replace_key(&mut self, walk: &Walk<'_>) -> Offered {
        self.change(walk.site, |configuration| {
            for name in ["PublicKeySig", "PrivateKeySig", "KeyIdSig"] {
                configuration[format!("oidcServiceOld{name}")] = configuration[format!("oidcService{name}")].clone();
            }
            set_key(configuration, "second")
        })?;
        Ok(None)
    }
}

/// The names of the user's sessions at the portal.
fn sessions(folder: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("reading {} failed: {error}", folder.display()))?;
    let is_sign_in = |path: &PathBuf| {
        let content = fs::read(path).unwrap_or_default();
        let session: Value = serde_json::from_slice(&content).unwrap_or_default();
        session["_session_kind"] == "SSO"
    };
    let files = entries.flatten().map(|entry| entry.path()).filter(is_sign_in);
    Ok(files
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect())
}

/// Sets a new key, which signs from now on.
fn set_key(configuration: &mut Value, kid: &str) -> Result<(), String> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256);
    let key = key.map_err(|error| format!("generating a signing key for LemonLDAP::NG failed: {error}"))?;
    configuration["oidcServicePrivateKeySig"] = key.serialize_pem().into();
    configuration["oidcServicePublicKeySig"] = key.public_key_pem().into();
    configuration["oidcServiceKeyIdSig"] = kid.into();
    Ok(())
}
