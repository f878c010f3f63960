//! What the run of one server has throughout, whatever is started and stopped: names, ports, secrets, a folder.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use demo_system::{Options, Ports, free_port};
use serde_json::Value;

/// Both secrets have characters that mean something in a form, in a URL or in HTTP Basic.
const CLIENT_SECRET: &str = "spa+a/b=c:d%e f&g~h";
const GATEWAY_SECRET: &str = "gateway+a/b=c:d%e f&g~h";

/// The user who signs in everywhere.
pub(crate) const USERNAME: &str = "demouser";
pub(crate) const PASSWORD: &str = "Password1";

/// The names and places of a run.
pub(crate) struct Site {
    /// Everything that the run writes.
    pub(crate) folder: PathBuf,
    pub(crate) ports: Ports,
    /// The server's second port, if it has an interface of its own for administrators.
    pub(crate) admin_port: u16,
    /// The server's own port, if something of ours stands between Envoy and the server.
    pub(crate) inner_port: u16,
}

impl Site {
    /// A site with an empty folder.
    pub(crate) fn new(folder: PathBuf) -> Result<Site, String> {
        let failed = |error| format!("preparing {} failed: {error}", folder.display());
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(failed)?;
        }
        fs::create_dir_all(folder.join("server")).map_err(failed)?;
        Ok(Site {
            folder,
            ports: Ports::free(),
            admin_port: free_port(),
            inner_port: free_port(),
        })
    }

    /// The options of a system without an authorization server of its own.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::for_tests(self.folder.join("system"));
        options.ports = self.ports;
        // The filter's cache belongs to a worker, so a step that depends on the cache needs a single worker.
        options.envoy_concurrency = Some(1);
        options
    }

    /// The server's address behind Envoy.
    pub(crate) fn server(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports.authorization_server))
    }

    /// The service's endpoint for back-channel logout.
    pub(crate) fn back_channel(&self) -> String {
        format!("http://127.0.0.1:{}/bff/backchannel-logout", self.ports.bff)
    }

    pub(crate) fn client_secret(&self) -> &'static str {
        CLIENT_SECRET
    }

    pub(crate) fn gateway_secret(&self) -> &'static str {
        GATEWAY_SECRET
    }

    /// The secret of the client that introspects, which may be the service's.
    pub(crate) fn secret_of(&self, stage: Option<&Value>, service: Option<&str>) -> &'static str {
        match stage.and_then(|stage| stage["client_id"].as_str()) == service {
            true => CLIENT_SECRET,
            false => GATEWAY_SECRET,
        }
    }

    /// The names of the pages, and their replacements.
    pub(crate) fn names(&self) -> Vec<(&'static str, String)> {
        let options = self.options();
        vec![
            ("https://login.example.com", options.origin("login")),
            ("https://www.example.com", options.origin("www")),
            ("https://api.example.com", options.api_origin()),
            (
                "http://bff-service:3003",
                format!("http://127.0.0.1:{}", self.ports.bff),
            ),
            ("THE_CLIENTS_SECRET", CLIENT_SECRET.to_owned()),
            ("THE_GATEWAYS_SECRET", GATEWAY_SECRET.to_owned()),
            ("THE_USERS_PASSWORD", PASSWORD.to_owned()),
        ]
    }
}
