//! oidc-provider, in the demo's authorization server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bff_tests::client_credentials::ADMIN_TOKEN;
use bff_tests::http1::{Request, send_plain};
use bff_tests::setup;
use serde_json::Value;

use super::{Offered, Server};
use crate::page::Page;
use crate::site::{Site, USERNAME};
use crate::variant::{Form, Variant};
use crate::walk::{Walk, expect};
use bff_tests::program::{Program, is_up};

pub(crate) const NAME: &str = "oidc-provider";

const VARIANTS: [Variant; 2] = [
    Variant {
        what: "opaque access tokens, exchanged",
        filter: Some("filter"),
        form: Form::Exchanged,
        ..Variant::PLAIN
    },
    Variant {
        what: "claims in headers, of signed introspection responses",
        filter: Some("filter signed"),
        form: Form::Claims,
        userinfo_endpoint: true,
        hint: true,
        ..Variant::PLAIN
    },
];

struct OidcProvider {
    folder: PathBuf,
    program: Option<Program>,
}

pub(crate) fn new() -> Result<Box<dyn Server>, String> {
    Ok(Box::new(OidcProvider {
        folder: PathBuf::new(),
        program: None,
    }))
}

impl OidcProvider {
    fn database(&self) -> PathBuf {
        self.folder.join("authorization-server.sqlite")
    }
}

impl Server for OidcProvider {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "oidc-provider"
    }

    fn version(&self) -> String {
        let folder = setup::artifacts().authorization_server;
        let package = fs::read_to_string(folder.join("node_modules/oidc-provider/package.json"));
        let package: Value = serde_json::from_str(&package.unwrap_or_default()).unwrap_or_default();
        package["version"].as_str().unwrap_or_default().to_owned()
    }

    fn variants(&self) -> &'static [Variant] {
        &VARIANTS
    }

    fn prepare(&mut self, site: &Site, _: &Page) -> Result<(), String> {
        self.folder = site.folder.join("server");
        let write = |name: &str, content: &str| fs::write(self.folder.join(name), content);
        write("client-secret", site.client_secret())
            .and_then(|()| write("gateway-secret", site.gateway_secret()))
            .and_then(|()| write("admin-token", ADMIN_TOKEN))
            .map_err(|error| {
                format!(
                    "writing the secrets of oidc-provider to {} failed: {error}",
                    self.folder.display()
                )
            })
    }

    fn start(&mut self, site: &Site) -> Result<(), String> {
        let artifacts = setup::artifacts();
        let options = site.options();
        let mut command = Command::new(artifacts.node);
        command
            .arg(artifacts.authorization_server.join("server.mjs"))
            .env("PORT", site.ports.authorization_server.to_string())
            .env("ISSUER", options.origin("login"))
            .env("SPA_ORIGIN", options.origin("www"))
            .env("DATABASE_FILE", self.database())
            .env("CLIENT_SECRET_FILE", self.folder.join("client-secret"))
            .env("GATEWAY_CLIENT_SECRET_FILE", self.folder.join("gateway-secret"))
            .env("ADMIN_TOKEN_FILE", self.folder.join("admin-token"))
            .env("API_AUDIENCE", self.audience(site))
            .env("BACKCHANNEL_LOGOUT_URI", site.back_channel());
        let ready = || is_up(site.server(), self.jwks_path());
        let program = Program::start(&self.folder.join("server.log"), command, ready)?;
        self.program = Some(program);
        Ok(())
    }

    fn stop(&mut self) {
        self.program = None;
    }

    fn jwks_path(&self) -> &'static str {
        "/oauth/v2/jwks"
    }

    fn end_sessions(&self, walk: &Walk<'_>, _: &[String]) -> Offered {
        let request = Request::new("POST", "/admin/end-sessions")
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
            .form(&format!("username={USERNAME}"));
        let response =
            send_plain(walk.site.server(), &request).map_err(|error| format!("ending the sessions failed: {error}"))?;
        expect("ending the sessions", &response, 200).map(|()| None)
    }

    /// It generates keys at a start if its database has none.
    fn replace_key(&mut self, walk: &Walk<'_>) -> Offered {
        self.stop();
        let script = "
            import { createClient } from '@libsql/client';
            const database = createClient({ url: 'file:' + process.env.DATABASE_FILE });
            await database.execute(`DELETE FROM setting WHERE name = 'signing_keys'`);";
        let artifacts = setup::artifacts();
        let status = Command::new(artifacts.node)
            .args(["--input-type=module", "--eval", script])
            .current_dir(&artifacts.authorization_server)
            .env("DATABASE_FILE", self.database())
            .status();
        self.start(walk.site)?;
        match status.is_ok_and(|status| status.success()) {
            true => Ok(None),
            false => Err("removing the keys of oidc-provider failed: see the output of node above".to_owned()),
        }
    }
}
