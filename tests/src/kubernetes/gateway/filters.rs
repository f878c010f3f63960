//! The filters: every connection manager has all of them, disabled, and routes enable them.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::values::{bytes, text};
use crate::kubernetes::envoy::{Local, texts};
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

/// The type of the filter in its native form.
const DYNAMIC_MODULE: &str = "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter";

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
    let (kind, part) = match is_native(policy) {
        true => ("dynamic_modules", "dynamic-module"),
        false => ("wasm", "wasm"),
    };
    format!(
        "envoy.filters.http.{kind}/envoyextensionpolicy/{namespace}/{}/{part}/0",
        policy.name()
    )
}

/// Whether a policy has a filter. One without keeps the Gateway's away from its routes.
pub(super) fn has_filter(policy: &Manifest) -> bool {
    policy.content["spec"].get("wasm").is_some() || is_native(policy)
}

/// Whether a policy has the native module.
pub(super) fn is_native(policy: &Manifest) -> bool {
    policy.content["spec"].get("dynamicModule").is_some()
}

/// The native module's filter. The EnvoyProxy says where its file is, and how it gets there.
pub(super) fn native_filter(local: &Local<'_>, policy: &Manifest, proxy: &Manifest) -> Value {
    assert!(
        policy.content["spec"].get("wasm").is_none(),
        "{}: both forms of the filter",
        policy.title()
    );
    let [filter] = policy.content["spec"]["dynamicModule"]
        .as_array()
        .expect("filters")
        .as_slice()
    else {
        panic!(
            "{}: only one filter is translated: add others to {}",
            policy.title(),
            file!()
        );
    };
    let modules = proxy.content["spec"]["dynamicModules"].as_array().expect("modules");
    let entry = modules.iter().find(|entry| entry["name"] == filter["name"]);
    let entry = entry.unwrap_or_else(|| {
        panic!(
            "{}: missing module {}: add it to `spec.dynamicModules`",
            proxy.title(),
            filter["name"]
        )
    });
    assert_eq!(
        entry["source"]["type"],
        "Local",
        "{}: a remote source leaves the filter out while the module is missing: write `type: Local`",
        proxy.title()
    );
    is_copied_to(proxy, entry["source"]["local"]["path"].as_str().expect("a path"));
    json!({
        "name": filter_name(policy),
        "disabled": true,
        "typed_config": {
            "@type": DYNAMIC_MODULE,
            "dynamic_module_config": {
                "module": {"local": {"filename": local.module}},
                "do_not_close": entry["doNotClose"],
            },
            "filter_name": filter["filterName"],
            "filter_config": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": filter["config"].to_string(),
            },
        },
    })
}

/// Checks that the pod's init container copies the module from the volume of its image to this path, where Envoy reads it.
fn is_copied_to(proxy: &Manifest, path: &str) {
    let deployment = &proxy.content["spec"]["provider"]["kubernetes"]["envoyDeployment"];
    let init = &deployment["initContainers"][0];
    let mounted = |container: &Value, path: &str| -> Value {
        let mounts = container["volumeMounts"].as_array().expect("mounts");
        let mount = mounts
            .iter()
            .find(|mount| path.starts_with(&format!("{}/", text(mount, "mountPath"))));
        let name = &mount.unwrap_or_else(|| panic!("no volume at {path}"))["name"];
        let volumes = deployment["pod"]["volumes"].as_array().expect("volumes");
        let volume = volumes.iter().find(|volume| &volume["name"] == name);
        volume.expect("the volume").clone()
    };
    let [_, from, to] = texts(&init["command"])[..] else {
        panic!("{}: an init container copies the module", proxy.title())
    };
    assert_eq!((texts(&init["command"])[0], to), ("cp", path));
    assert!(mounted(init, from)["image"]["reference"].is_string(), "{from}");
    let shared = mounted(init, to);
    assert!(shared["emptyDir"].is_object(), "{to}");
    assert_eq!(mounted(&deployment["container"], path), shared, "{path}");
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
