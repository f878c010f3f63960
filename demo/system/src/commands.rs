//! The command line of each component.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::artifacts::Artifacts;
use crate::certificates::Certificates;
use crate::component::Component;
use crate::error::Error;
use crate::options::Options;
use crate::secrets::Secrets;

/// A system whose files are written and whose processes may be started.
pub(crate) struct Prepared {
    pub(crate) artifacts: Artifacts,
    pub(crate) options: Options,
    pub(crate) secrets: Secrets,
    pub(crate) certificates: Certificates,
    /// The lock of the directory, held as long as the system exists.
    pub(crate) _lock: File,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

pub(crate) fn log_path(directory: &Path, component: Component) -> PathBuf {
    directory.join("logs").join(format!("{}.log", component.name()))
}

impl Prepared {
    pub(crate) fn log(&self, component: Component) -> PathBuf {
        log_path(&self.options.directory, component)
    }

    /// The command line and the environment of a component. `epoch` counts how often Envoy was replaced.
    pub(crate) fn command(&self, component: Component, epoch: u32) -> Result<Command, Error> {
        let mut command = match component {
            Component::AuthorizationServer => self.authorization_server(),
            Component::Api => self.api(),
            Component::WebHost => self.web_host(),
            Component::Envoy => self.envoy(epoch)?,
            Component::Bff => self.bff(),
            Component::SecondBff => self.second_bff(),
            Component::Redis => self.redis()?,
        };
        for (of, name, value) in &self.options.environment {
            if *of == component {
                command.env(name, value);
            }
        }
        Ok(command)
    }

    fn authorization_server(&self) -> Command {
        let Artifacts {
            node,
            authorization_server,
            ..
        } = &self.artifacts;
        let Options {
            directory,
            ports,
            access_token_seconds,
            refresh_token_seconds,
            introspection_response,
            ..
        } = &self.options;
        let mut command = listening(node, ports.authorization_server);
        command
            .arg(authorization_server.join("server.mjs"))
            .env("ISSUER", self.options.origin("login"))
            .env("DATABASE_FILE", directory.join("authorization-server.sqlite"))
            .env("SPA_ORIGIN", self.options.page_origin())
            .env("CLIENT_SECRET_FILE", &self.secrets.client_secret)
            .env("GATEWAY_CLIENT_SECRET_FILE", &self.secrets.gateway_client_secret)
            .env("ACCESS_TOKEN_SECONDS", access_token_seconds.to_string())
            .env("REFRESH_TOKEN_SECONDS", refresh_token_seconds.to_string())
            .env("INTROSPECTION_RESPONSE", introspection_response)
            .env("API_AUDIENCE", "demo-api")
            // Below `localhost`, WebKit does not take the page and the authorization server for one site.
            .env("LOGOUT_FROM_OTHER_SITES", self.options.one_origin.to_string())
            // Not through Envoy: both are in the network behind it.
            .env(
                "BACKCHANNEL_LOGOUT_URI",
                format!("http://127.0.0.1:{}/bff/backchannel-logout", ports.bff),
            )
            .env(
                "CLIENT_REDIRECT_URIS",
                format!("{}/bff/callback", self.options.api_origin()),
            );
        command
    }

    fn api(&self) -> Command {
        let ports = &self.options.ports;
        let mut command = listening(&self.artifacts.demo_api, ports.api);
        let jwks = format!("http://127.0.0.1:{}/oauth/v2/jwks", ports.authorization_server);
        command
            .env("ISSUER", self.options.origin("login"))
            .env("AUDIENCE", "demo-api")
            .env("JWKS_URI", jwks);
        command
    }

    fn web_host(&self) -> Command {
        let mut command = listening(&self.artifacts.demo_web_host, self.options.ports.web_host);
        command
            .env("CONTENT_DIR", &self.artifacts.spa)
            .env("API_ORIGIN", self.options.api_origin());
        command
    }

    fn envoy(&self, epoch: u32) -> Result<Command, Error> {
        let mut words = self.artifacts.envoy.iter();
        let program = words
            .next()
            .ok_or_else(|| Error::new("missing Envoy: set BFF_TEST_ENVOY or `Artifacts::envoy`"))?;
        let mut command = Command::new(program);
        command.args(words);
        command.arg("-c").arg(self.options.directory.join("envoy.yaml"));
        let log = "wasm:info,dynamic_modules:info";
        command.args(["--log-level", "warning", "--component-log-level", log]);
        match self.options.envoy_hot_restart {
            // Two Envoys on one machine share memory by their base id. The old one drains its connections within the first
            // time, and exits after the second: by then clients have closed their idle connections to it.
            true => {
                command.arg("--base-id").arg(self.options.ports.envoy_admin.to_string());
                command.arg("--restart-epoch").arg(epoch.to_string());
                command.args(["--drain-time-s", "2", "--parent-shutdown-time-s", "8"]);
            }
            false => {
                command.arg("--disable-hot-restart");
            }
        }
        if let Some(concurrency) = self.options.envoy_concurrency {
            command.arg("--concurrency").arg(concurrency.to_string());
        }
        command.envs(self.secrets.envoy_environment()?);
        Ok(command)
    }

    fn bff(&self) -> Command {
        let mut command = Command::new(&self.artifacts.bff_service);
        command
            .arg("--config")
            .arg(self.options.directory.join("bff.toml"))
            // A shell may have set these for another BFF. The service rejects them beside the files.
            .env_remove("BFF_COOKIE_KEYS")
            .env_remove("BFF_CLIENT_SECRET")
            .env("BFF_COOKIE_KEYS_FILE", &self.secrets.cookie_keys)
            .env("BFF_CLIENT_SECRET_FILE", &self.secrets.client_secret);
        if let Some(collector) = self.options.otel_collector {
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"));
        }
        command
    }

    /// The same program and configuration at other ports.
    fn second_bff(&self) -> Command {
        let ports = &self.options.ports;
        let mut command = self.bff();
        command
            .env("BFF_SERVER__PORT", ports.second_bff.to_string())
            .env("BFF_SERVER__ADMIN_PORT", ports.second_bff_admin.to_string());
        command
    }

    /// Nothing is on disk: each start begins with an empty Redis.
    fn redis(&self) -> Result<Command, Error> {
        let missing = || Error::new("missing redis-server: set BFF_TEST_REDIS or `Artifacts::redis`");
        let program = self.artifacts.redis.as_ref().ok_or_else(missing)?;
        let mut command = Command::new(program);
        command
            .args(["--bind", "127.0.0.1", "--port"])
            .arg(self.options.ports.redis.to_string())
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(&self.options.directory);
        Ok(command)
    }
}

fn listening(program: impl AsRef<OsStr>, port: u16) -> Command {
    let mut command = Command::new(program);
    command.env("HOST", "127.0.0.1").env("PORT", port.to_string());
    command
}
