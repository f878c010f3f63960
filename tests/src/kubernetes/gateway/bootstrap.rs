//! The parts from the bootstrap, into which Envoy Gateway merges that of the EnvoyProxy.

use serde_json::{Value, json};

use super::values::bytes;
use crate::kubernetes::envoy::{Local, merge, of_kind};
use crate::kubernetes::manifests::{self, Manifest};

/// Envoy Gateway's own overload manager, with the heap monitor that it derives from the container's limit, merged with
/// that of the EnvoyProxy.
pub(super) fn overload_manager(manifests: &[Manifest]) -> Value {
    let (proxy, mut own) = bootstrap(manifests);
    let memory = &proxy.content["spec"]["provider"]["kubernetes"]["envoyDeployment"]["container"]["resources"]["limits"]
        ["memory"];
    let action = |name: &str, threshold: f64| {
        json!({
            "name": format!("envoy.overload_actions.{name}"),
            "triggers": [{"name": "envoy.resource_monitors.fixed_heap", "threshold": {"value": threshold}}],
        })
    };
    let mut bootstrap = json!({"overload_manager": {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": 50000,
                },
            },
            {
                "name": "envoy.resource_monitors.fixed_heap",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": bytes(memory) / 10 * 8,
                },
            },
        ],
        "actions": [action("shrink_heap", 0.95), action("stop_accepting_requests", 0.98)],
    }});
    merge(
        &mut bootstrap,
        &json!({"overload_manager": own["overload_manager"].take()}),
    );
    bootstrap
}

/// The EnvoyProxy, and its bootstrap, which is merged into that of Envoy Gateway.
fn bootstrap(manifests: &[Manifest]) -> (&Manifest, Value) {
    let proxy = of_kind(manifests, "EnvoyProxy").next().expect("an EnvoyProxy");
    assert_eq!(proxy.text("/spec/bootstrap/type"), "Merge");
    let bootstrap = manifests::parse("the bootstrap", proxy.text("/spec/bootstrap/value"));
    let [bootstrap] = bootstrap.as_slice() else {
        panic!("{}: the bootstrap must be one document", proxy.title())
    };
    (proxy, bootstrap.content.clone())
}

/// The clusters of the bootstrap.
pub(super) fn bootstrap_clusters(local: &Local<'_>, manifests: &[Manifest]) -> Vec<Value> {
    let (_, bootstrap) = bootstrap(manifests);
    let mut clusters = bootstrap["static_resources"]["clusters"]
        .as_array()
        .expect("clusters")
        .clone();
    clusters.iter_mut().for_each(|cluster| local.resolve(cluster));
    clusters
}
