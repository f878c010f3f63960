//! Where Envoy takes the native module from: what becomes of requests if it is not there.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use bff_tests::kubernetes::envoy::{address, manager};
use bff_tests::program::{Program, is_up};
use bff_tests::setup::artifacts;
use demo_system::{free_port, get};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An Envoy with the filter from this source before a route that answers every request.
struct Gateway {
    folder: TempDir,
    listener: SocketAddr,
}

impl Gateway {
    fn new(source: &Value) -> Gateway {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let filter = json!({
            "name": "bff",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
                "dynamic_module_config": {"module": source, "do_not_close": true},
                "filter_name": "bff_filter",
            },
        });
        let reached = json!({
            "name": "api",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let cluster = json!({
            "name": "modules",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": "modules",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(nowhere)}}]}],
            },
        });
        let configuration = json!({"static_resources": {
            "clusters": [cluster],
            "listeners": [{
                "name": "api",
                "address": address(listener),
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": manager("api", vec![reached], vec![filter]),
                }]}],
            }],
        }});
        let gateway = Gateway { folder, listener };
        fs::write(gateway.file("envoy.yaml"), configuration.to_string()).expect("written");
        gateway
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let artifacts = artifacts();
        let (program, arguments) = artifacts.envoy.split_first().expect("Envoy");
        let mut command = Command::new(program);
        command.args(arguments).arg("-c").arg(self.file("envoy.yaml"));
        command.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]);
        command
    }
}

#[test]
fn without_its_local_file_envoy_refuses_the_configuration() {
    let gateway = Gateway::new(&json!({"local": {"filename": "/nowhere/libbff_module.so"}}));
    let output = gateway
        .command()
        .args(["--mode", "validate"])
        .output()
        .expect("Envoy starts");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Failed to load dynamic module"), "{said}");
}

/// The reason why no manifest has a remote source, and `docs/deploy/native-module.md` warns of it. If this fails with a newer
/// Envoy, the page must say so.
#[test]
fn without_its_remote_file_envoy_forwards_requests_past_the_filter() {
    let remote = json!({"remote": {
        "http_uri": {"uri": "http://modules/libbff_module.so", "cluster": "modules", "timeout": "1s"},
        "sha256": "0".repeat(64),
    }});
    let gateway = Gateway::new(&remote);
    let log = gateway.file("log");
    let _envoy = Program::start(&log, gateway.command(), || is_up(gateway.listener, "/api/data"))
        .unwrap_or_else(|error| panic!("{error}: {}", fs::read_to_string(&log).unwrap_or_default()));
    let (status, _) = get(gateway.listener, "/api/data").expect("a response");
    assert_eq!(status, 200, "no filter answered");
}
