//! The filters: every connection manager has all of them, disabled, and routes enable them.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::values::bytes;
use crate::kubernetes::manifests::Manifest;
use crate::proxy;

/// In place of Envoy Gateway's controller: serves the module.
pub struct ModuleServer {
    address: SocketAddr,
    /// The SHA-256 of the module that the configuration requests, in hexadecimal digits.
    sha256: String,
}

impl ModuleServer {
    /// Starts it. The configuration requests the module by `sha256`, whatever is served.
    pub fn start(module: Vec<u8>, sha256: &str) -> Self {
        Self {
            address: proxy::serve_many(move |_| Some(proxy::ok("application/wasm", &module))),
            sha256: sha256.to_owned(),
        }
    }

    /// Its address.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The name of the filter that buffers a request until it is complete.
pub(super) const BUFFER: &str = "envoy.filters.http.buffer";

pub(super) fn buffer_filter(limit: &Value) -> Value {
    json!({
        "name": BUFFER,
        "disabled": true,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
            "max_request_bytes": bytes(limit),
        },
    })
}

pub(super) fn filter_name(policy: &Manifest) -> String {
    let namespace = policy.text("/metadata/namespace");
    format!(
        "envoy.filters.http.wasm/envoyextensionpolicy/{namespace}/{}/wasm/0",
        policy.name()
    )
}

/// Whether a policy has a filter. One without keeps the Gateway's away from its routes.
pub(super) fn has_wasm(policy: &Manifest) -> bool {
    policy.content["spec"].get("wasm").is_some()
}

pub(super) fn wasm_filter(module: &ModuleServer, policy: &Manifest) -> Value {
    let [wasm] = policy.content["spec"]["wasm"].as_array().expect("filters").as_slice() else {
        panic!(
            "{}: only one filter is translated: add others to {}",
            policy.title(),
            file!()
        );
    };
    let name = filter_name(policy);
    json!({
        "name": name,
        "disabled": true,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": wasm["name"],
                "root_id": wasm["rootID"],
                "fail_open": wasm.get("failOpen").unwrap_or(&json!(false)),
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": wasm["config"].to_string(),
                },
                "vm_config": {
                    "vm_id": name,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {
                        "remote": {
                            "http_uri": {"uri": "http://controller/module.wasm", "cluster": "wasm_cluster", "timeout": "10s"},
                            "sha256": module.sha256,
                        },
                    },
                    "environment_variables": {"host_env_keys": wasm["env"]["hostKeys"]},
                },
            },
        },
    })
}
