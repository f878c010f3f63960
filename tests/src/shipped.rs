//! The shipped configurations of Envoy: `envoy/envoy.yaml`, and those from the manifests for Istio and Envoy Gateway.

use demo_system::{Artifacts, Component};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::kubernetes::envoy::Local;
use crate::kubernetes::gateway::{self, ModuleServer};
use crate::kubernetes::istio;
use crate::setup::{TestSystem, start};
use crate::streaming_api;

/// The configuration that Envoy runs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shipped {
    /// `envoy/envoy.yaml`.
    Envoy,
    /// `envoy/istio`.
    Istio,
    /// `envoy/gateway`.
    Gateway,
}

/// Starts a system whose Envoy runs with one of them, with [`streaming_api`] in place of the API.
pub fn start_with(shipped: Shipped) -> TestSystem {
    let api = streaming_api::start();
    let test = start(|options| {
        options.without.push(Component::Api);
        options.dial_api = Some(api);
    });
    let artifacts = Artifacts::from_env().unwrap_or_else(|error| panic!("{error}"));
    let local = Local {
        system: &test.system,
        api,
        module: artifacts.filter.clone(),
    };
    match shipped {
        Shipped::Envoy => {}
        Shipped::Istio => local.run(istio::translate(&local, &local.manifests("istio/wasm-plugin"))),
        Shipped::Gateway => {
            let module = std::fs::read(&artifacts.filter).expect("the module");
            let digest = Sha256::digest(&module);
            let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let served = ModuleServer::start(module, &sha256);
            local.run(gateway::translate(
                &local,
                Some(&served),
                &local.manifests("gateway/v1.9"),
            ));
        }
    }
    test
}

/// Calls a function with each route of a configuration: with the object that has its `match`.
pub fn for_each_route(value: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    if value.get("match").is_some() && value.get("route").is_some() {
        return visit(value);
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| for_each_route(field, visit)),
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_route(item, visit)),
        _ => {}
    }
}
