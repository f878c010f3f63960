//! Walks through the system behind real control planes, which translate the manifests for the real Envoy:
//! `cargo xtask control-planes`.
//!
//! * [`kubernetes`]: the API server, which `xtask` has started.
//! * [`objects`]: what a cluster has beside our manifests.
//! * [`network`]: what a cluster's network does, on this machine.
//! * [`istio`], [`envoy_gateway`]: the control planes, and the walks behind each.
//! * [`keys`]: key rotation, the same behind both.

mod envoy_gateway;
mod istio;
mod keys;
mod kubernetes;
mod network;
mod objects;

use std::path::PathBuf;

use crate::kubernetes::Kubernetes;

/// Arguments: the folder for everything that the run writes, then the names of control planes.
fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    let kubernetes = Kubernetes::from_env();
    for name in arguments {
        let folder = folder.join(&name);
        std::fs::create_dir_all(&folder)
            .unwrap_or_else(|error| panic!("creating {} failed: {error}", folder.display()));
        match name.as_str() {
            "istio" => istio::walk(&kubernetes, &folder),
            "envoy-gateway" => envoy_gateway::walk(&kubernetes, &folder),
            other => panic!("invalid control plane `{other}`: write istio or envoy-gateway"),
        }
    }
}

/// Prints what was found to be true.
fn report_success(what: &str) {
    println!("  passed: {what}");
}
