//! `pilot-discovery`, the control plane's program.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use bff_tests::program::{Program, is_up};
use demo_system::free_port;
use serde_json::Value;

use crate::kubernetes::Kubernetes;

/// A running istiod.
pub(super) struct Istiod {
    _program: Program,
    /// Its debug interface.
    http: SocketAddr,
    /// Its discovery service, without TLS.
    pub(super) discovery: SocketAddr,
    log: PathBuf,
}

impl Istiod {
    /// Starts it, and waits until it has read the API server's objects.
    pub(super) fn start(kubernetes: &Kubernetes, folder: &Path) -> Self {
        let address = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (http, discovery, monitoring) = (address(), address(), address());
        let (mesh, log) = (folder.join("mesh.yaml"), folder.join("istiod.log"));
        fs::write(&mesh, "trustDomain: cluster.local\n").expect("written");
        fs::write(&log, "").expect("written");
        let mut command = Command::new(
            std::env::var_os("PILOT_DISCOVERY")
                .expect("missing PILOT_DISCOVERY: run this with `cargo xtask control-planes`"),
        );
        command
            .arg("discovery")
            .args(["--kubeconfig".as_ref(), kubernetes.configuration.as_os_str()])
            .args(["--meshConfig".as_ref(), mesh.as_os_str()])
            .arg(format!("--httpAddr={http}"))
            .arg(format!("--grpcAddr={discovery}"))
            .arg(format!("--monitoringAddr={monitoring}"))
            // No certificates are issued here: the stream stays on this machine, and the gateway has its token.
            .args(["--secureGRPCAddr=", "--httpsAddr="])
            .env("ENABLE_CA_SERVER", "false")
            .env("PILOT_CERT_PROVIDER", "none")
            .env("XDS_AUTH_PLAINTEXT", "true")
            .env("POD_NAMESPACE", "istio-system")
            .env("POD_NAME", "istiod")
            .env("CLUSTER_ID", "Kubernetes");
        let program = Program::start(&log, command, || is_up(http, "/ready"));
        Self {
            _program: program.unwrap_or_else(|error| panic!("{error}")),
            http,
            discovery,
            log,
        }
    }

    /// What it sends to a proxy, by the names of Envoy's own dump; `Null` while it does not know that proxy.
    pub(super) fn dump(&self, proxy: &str) -> Value {
        let path = format!("/debug/config_dump?proxyID={proxy}");
        match demo_system::get(self.http, &path) {
            Ok((200, text)) => serde_json::from_str(&text).unwrap_or_default(),
            Ok(_) | Err(_) => Value::Null,
        }
    }

    /// Its log.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("its log")
    }
}
