//! A system that represents a cluster: what is behind the gateway runs, and the gateway's Envoy is replaced by the one that the
//! manifests lead to.

use std::net::SocketAddr;

use bff_core::cookie::purpose::Purpose;
use demo_system::{Artifacts, Component};

use super::envoy::Local;
use crate::partner;
use crate::recording_api::RecordingApi;
use crate::sealing::Seals;
use crate::setup::{TestSystem, start};
use crate::user_agent::{AT, UserAgent};

/// A running system.
pub struct Cluster {
    /// The system.
    pub test: TestSystem,
    /// What reached the business API.
    pub api: RecordingApi,
    /// The address behind the Service of the business API.
    pub api_address: SocketAddr,
    /// The authorization server's port for clients with certificates.
    pub mtls_port: u16,
}

impl Cluster {
    /// Starts it.
    ///
    /// # Panics
    /// If a component does not start.
    pub fn start() -> Self {
        let mut parts = None;
        let test = start(|options| {
            options.without.push(Component::WebHost);
            let (api, address) = RecordingApi::start(options.ports.api);
            parts = Some((api, address, partner::set_up(options)));
        });
        let (api, api_address, mtls_port) = parts.expect("started");
        Self {
            test,
            api,
            api_address,
            mtls_port,
        }
    }

    /// The names and addresses for the translation of manifests.
    pub fn local(&self) -> Local<'_> {
        Local {
            system: &self.test.system,
            api: self.api_address,
            module: module(),
        }
    }

    /// Whether the routes that Envoy has got from its control plane contain a text.
    pub fn has_route(&self, text: &str) -> bool {
        let path = "/config_dump?resource=dynamic_route_configs";
        let (_, dump) = demo_system::get(self.test.system.envoy_admin(), path).expect("Envoy's admin");
        dump.contains(text)
    }

    /// The opaque access token of a session.
    pub fn token_of(&self, user: &UserAgent) -> String {
        let seals = Seals::of(&self.test.system, "example");
        seals.open(Purpose::AccessToken, &user.cookies[AT]).0
    }
}

/// The module's file.
///
/// # Panics
/// If the variables of `cargo xtask test` are not set.
pub fn module() -> std::path::PathBuf {
    Artifacts::from_env().unwrap_or_else(|error| panic!("{error}")).filter
}
