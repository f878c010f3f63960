//! Envoy Gateway's program.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use bff_tests::program::Program;
use serde_json::Value;

use super::SYSTEM;
use crate::kubernetes::Kubernetes;

/// Where it reads its certificate: a name in its source.
const CERTIFICATES: &str = "/certs";
/// Where its discovery service listens: a number in its source.
const DISCOVERY_PORT: u16 = 18000;

/// A running Envoy Gateway.
pub(super) struct Controller {
    _program: Program,
}

impl Controller {
    /// Lets it make its certificates, starts it, and waits until it listens for proxies.
    pub(super) fn start(kubernetes: &Kubernetes, folder: &Path) -> Self {
        let program = std::env::var_os("ENVOY_GATEWAY")
            .expect("missing ENVOY_GATEWAY: run this with `cargo xtask control-planes`");
        let command = || {
            let mut command = Command::new(&program);
            command
                .env("KUBECONFIG", &kubernetes.configuration)
                .env("ENVOY_GATEWAY_NAMESPACE", SYSTEM);
            command
        };
        let made = command()
            .args(["certgen", "--disable-topology-injector"])
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "`envoy-gateway certgen` failed: {said}");
        write_certificates(kubernetes, "envoy-gateway", Path::new(CERTIFICATES));
        let configuration = folder.join("envoy-gateway.yaml");
        let text = "apiVersion: gateway.envoyproxy.io/v1alpha1\n\
                    kind: EnvoyGateway\n\
                    gateway: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}\n\
                    provider: {type: Kubernetes, kubernetes: {leaderElection: {disable: true}}}\n";
        fs::write(&configuration, text).expect("written");
        let log = folder.join("envoy-gateway.log");
        fs::write(&log, "").expect("written");
        let mut server = command();
        server.arg("server").arg("--config-path").arg(&configuration);
        let discovery = SocketAddr::from((Ipv4Addr::LOCALHOST, DISCOVERY_PORT));
        let listens = || std::net::TcpStream::connect(discovery).is_ok();
        assert!(
            !listens(),
            "port {DISCOVERY_PORT} is in use, which Envoy Gateway needs: stop the program there"
        );
        let program = Program::start(&log, server, listens);
        Self {
            _program: program.unwrap_or_else(|error| panic!("{error}")),
        }
    }
}

/// Writes a certificate that Envoy Gateway has made, its key and its authority into a folder.
pub(super) fn write_certificates(kubernetes: &Kubernetes, name: &str, folder: &Path) {
    fs::create_dir_all(folder).unwrap_or_else(|error| {
        let folder = folder.display();
        panic!("creating {folder} failed: {error}: create this folder of Envoy Gateway's certificate for this user")
    });
    let secrets = kubernetes.list("secrets", SYSTEM);
    let secret = secrets.iter().find(|secret| secret["metadata"]["name"] == name);
    let secret = secret.unwrap_or_else(|| {
        panic!("missing Secret {name} in the namespace {SYSTEM}: see the output of `envoy-gateway certgen`")
    });
    for file in ["tls.crt", "tls.key", "ca.crt"] {
        fs::write(folder.join(file), decode(&secret["data"][file])).expect("written");
    }
}

fn decode(value: &Value) -> Vec<u8> {
    use base64::Engine;
    let text = value.as_str().expect("base64");
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}
