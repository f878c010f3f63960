//! EnvoyFilters, among them those that have the native module.

use serde_json::{Value, json};

use crate::kubernetes::envoy::{Local, merge, of_kind};
use crate::kubernetes::manifests::Manifest;

/// The contexts of these patches, and their content.
pub(super) fn patches<'a>(
    manifests: &'a [Manifest],
    apply_to: &'a str,
    operation: &'a str,
) -> impl Iterator<Item = (&'a Value, &'a Value)> {
    of_kind(manifests, "EnvoyFilter")
        .flat_map(|filter| filter.content["spec"]["configPatches"].as_array().expect("patches"))
        .filter(move |patch| patch["applyTo"] == apply_to && patch["patch"]["operation"] == operation)
        .map(|patch| (&patch["match"], &patch["patch"]["value"]))
}

/// Applies the EnvoyFilters.
pub(super) fn patch(connection_manager: &mut Value, local: &Local<'_>, manifests: &[Manifest]) {
    let mut envoy_filters: Vec<&Manifest> = of_kind(manifests, "EnvoyFilter").collect();
    envoy_filters.sort_by_key(|filter| filter.content["spec"]["priority"].as_i64().unwrap_or(0));
    for filter in envoy_filters {
        for patch in filter.content["spec"]["configPatches"].as_array().expect("patches") {
            let value = &patch["patch"]["value"];
            let target = (patch["applyTo"].as_str(), patch["patch"]["operation"].as_str());
            assert!(patch["match"]["context"] == "GATEWAY" || target.0 == Some("BOOTSTRAP"));
            match target {
                (Some("HTTP_ROUTE"), Some("MERGE")) => {
                    let name = &patch["match"]["routeConfiguration"]["vhost"]["route"]["name"];
                    for route in all_routes(connection_manager).filter(|route| &route["name"] == name) {
                        merge(route, value);
                    }
                }
                (Some("HTTP_FILTER"), Some("INSERT_FIRST")) => {
                    let filters = connection_manager["http_filters"].as_array_mut().expect("filters");
                    filters.insert(0, with_file(local, value));
                }
                (Some("HTTP_FILTER"), Some("INSERT_BEFORE")) => {
                    let filter = &patch["match"]["listener"]["filterChain"]["filter"];
                    let name = &filter["subFilter"]["name"];
                    let filters = connection_manager["http_filters"].as_array_mut().expect("filters");
                    let place = filters.iter().position(|filter| &filter["name"] == name);
                    filters.insert(place.expect("the filter is there"), value.clone());
                }
                // They do not belong to the connection manager: see `translate`.
                (Some("LISTENER" | "FILTER_CHAIN" | "CLUSTER" | "BOOTSTRAP"), Some("MERGE")) => {}
                (Some("NETWORK_FILTER"), Some("MERGE")) => merge(connection_manager, &value["typed_config"]),
                other => panic!("the patch {other:?} is not translated: add it to tests/src/kubernetes/istio"),
            }
        }
    }
}

fn all_routes(connection_manager: &mut Value) -> impl Iterator<Item = &mut Value> {
    let hosts = connection_manager["route_config"]["virtual_hosts"].as_array_mut();
    hosts
        .into_iter()
        .flatten()
        .flat_map(|host| host["routes"].as_array_mut().into_iter().flatten())
}

/// A filter. If it is the native module, with the file of this machine in place of the one in the gateway's pods.
fn with_file(local: &Local<'_>, filter: &Value) -> Value {
    let mut filter = filter.clone();
    if let Some(file) = filter.pointer_mut("/typed_config/dynamic_module_config/module/local/filename") {
        assert_eq!(file, "/opt/bff/libbff_module.so");
        *file = json!(local.module);
    }
    filter
}

/// The configurations of the filters that are native modules.
pub(super) fn configurations_of_native_modules(manifests: &[Manifest]) -> impl Iterator<Item = &Value> {
    patches(manifests, "HTTP_FILTER", "INSERT_FIRST")
        .filter_map(|(_, filter)| filter.pointer("/typed_config/filter_config/value"))
}
