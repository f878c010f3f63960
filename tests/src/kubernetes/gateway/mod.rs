//! Translates resources of Gateway API and Envoy Gateway to Envoy's configuration, as Envoy Gateway does: only the
//! fields that our manifests have, where a request can tell the difference.
//!
//! From Envoy Gateway's source:
//!
//! - The filters of all policies are in the connection manager, CORS before wasm, and wasm before dynamic modules,
//!   each of these disabled until its routes enable it.
//! - `config` is a JSON string.
//! - Envoy fetches the proxy-wasm module from the controller, with its checksum. It loads the native module from a local file.
//! - The proxy's own clusters come from the bootstrap.

mod bootstrap;
mod filters;
mod listeners;
mod routes;
mod values;

use serde_json::{Value, json};

use self::bootstrap::{bootstrap_clusters, overload_manager};
pub use self::filters::ModuleServer;
use self::filters::{buffer_filter, has_filter, is_native, native_filter, wasm_filter};
use self::listeners::{client_policy, limit_connections, settings};
use self::routes::{cluster, translate_route};
use self::values::{bytes, text};
use super::envoy::{Local, Translation, cors_filter, domains, endpoint, manager, of_kind, texts};
use super::manifests::Manifest;

/// Translates all manifests. With the native module, no server serves a module.
pub fn translate(local: &Local<'_>, module: Option<&ModuleServer>, manifests: &[Manifest]) -> Translation {
    let mut filters: Vec<Value> = of_kind(manifests, "SecurityPolicy")
        .map(|_| cors_filter())
        .take(1)
        .collect();
    filters.extend(
        of_kind(manifests, "BackendTrafficPolicy")
            .filter_map(|policy| policy.content.pointer("/spec/requestBuffer/limit"))
            .map(buffer_filter)
            .take(1),
    );
    filters.extend(
        of_kind(manifests, "EnvoyExtensionPolicy")
            .filter(|policy| has_filter(policy))
            .map(|policy| match is_native(policy) {
                true => native_filter(
                    local,
                    policy,
                    of_kind(manifests, "EnvoyProxy").next().expect("an EnvoyProxy"),
                ),
                false => wasm_filter(module.expect("a server of the module"), policy),
            }),
    );
    let gateway = of_kind(manifests, "Gateway").next().expect("a Gateway");
    let listeners = gateway.content["spec"]["listeners"].as_array().expect("listeners");
    let mut clusters = bootstrap_clusters(local, manifests);
    clusters.extend(module.map(|module| {
        let wasm = "wasm_cluster";
        json!({
            "name": wasm,
            "load_assignment": {"cluster_name": wasm, "endpoints": [{"lb_endpoints": [endpoint(module.address())]}]},
        })
    }));
    let mut chains = Vec::new();
    for listener in listeners {
        let (name, host) = (text(listener, "name"), text(listener, "hostname"));
        let mut routes = Vec::new();
        for route in
            of_kind(manifests, "HTTPRoute").filter(|route| route.text("/spec/parentRefs/0/sectionName") == name)
        {
            assert_eq!(texts(&route.content["spec"]["hostnames"]), [host]);
            routes.extend(translate_route(route, manifests));
            clusters.push(cluster(local, route, manifests));
        }
        let host_of_all = json!({"name": host, "domains": domains(&[host]), "routes": routes});
        let mut connection_manager = manager(name, vec![host_of_all], filters.clone());
        let policy = client_policy(manifests, name);
        settings(&mut connection_manager, policy);
        let mutual = match policy.pointer("/tls/clientValidation/mode").and_then(Value::as_str) {
            Some("RequireAndVerify") => true,
            None => false,
            other => {
                panic!("the client validation {other:?} is not translated: add it to tests/src/kubernetes/gateway")
            }
        };
        let mut chain = local.chain(&[host], mutual, connection_manager);
        limit_connections(&mut chain, name, policy);
        chains.push(chain);
    }
    // The listener's settings come from the Gateway's policy.
    let policy = client_policy(manifests, "");
    let tcp = &policy["timeout"]["tcp"];
    let listener = json!({
        "per_connection_buffer_limit_bytes": bytes(&policy["connection"]["bufferLimit"]),
        "listener_filters_timeout": tcp["connectionInspectionTimeout"],
    });
    Translation {
        chains,
        clusters,
        listener,
        bootstrap: overload_manager(manifests),
    }
}
