//! HTTPRoutes and their policies: Envoy's routes and clusters.

use serde_json::{Value, json};

use super::filters::{BUFFER, filter_name, has_filter};
use super::values::{bytes, text};
use crate::kubernetes::envoy::{Local, circuit_breakers, cors_policy, of_kind, texts};
use crate::kubernetes::manifests::Manifest;

/// Whether a policy is for an HTTPRoute.
fn is_for(policy: &Manifest, route: &Manifest) -> bool {
    let targets = policy.content["spec"]["targetRefs"].as_array().expect("targets");
    let found = targets
        .iter()
        .any(|target| target["kind"] == "HTTPRoute" && target["name"] == route.name());
    found && policy.text("/metadata/namespace") == route.text("/metadata/namespace")
}

/// The name of a route's cluster in Envoy Gateway.
fn cluster_name(route: &Manifest) -> String {
    format!(
        "httproute/{}/{}/rule/0",
        route.text("/metadata/namespace"),
        route.name()
    )
}

/// Envoy's routes for an HTTPRoute.
pub(super) fn translate_route(route: &Manifest, manifests: &[Manifest]) -> Vec<Value> {
    let [rule] = route.content["spec"]["rules"].as_array().expect("rules").as_slice() else {
        panic!(
            "{}: not exactly one rule: a policy is for the whole HTTPRoute, so write an HTTPRoute for each rule",
            route.title()
        );
    };
    let [matched] = rule["matches"].as_array().expect("matches").as_slice() else {
        panic!(
            "{}: not exactly one match in its rule: write one, or translate others in {}",
            route.title(),
            file!()
        );
    };
    assert_eq!(matched["path"]["type"], "PathPrefix");
    let mut action = json!({"cluster": cluster_name(route), "timeout": rule["timeouts"]["request"]});
    let mut headers = Vec::new();
    for filter in rule["filters"].as_array().into_iter().flatten() {
        match text(filter, "type") {
            "URLRewrite" => {
                let path = &filter["urlRewrite"]["path"];
                assert_eq!(path["type"], "ReplacePrefixMatch");
                action["prefix_rewrite"] = path["replacePrefixMatch"].clone();
            }
            "ResponseHeaderModifier" => {
                for header in filter["responseHeaderModifier"]["add"].as_array().into_iter().flatten() {
                    headers.push(json!({"header": {"key": header["name"], "value": header["value"]}}));
                }
            }
            other => panic!(
                "the HTTPRoute filter {other} is not translated: add it to tests/src/kubernetes/gateway/routes.rs"
            ),
        }
    }
    if let Some(hash) = consistent_hash(route, manifests) {
        action["hash_policy"] = json!([{"header": {"header_name": hash["header"]["name"]}}]);
    }
    let mut by_filter = serde_json::Map::new();
    let policy = traffic_policy(route, manifests).expect("a policy for each route");
    let http = &policy["timeout"]["http"];
    action["idle_timeout"] = http["streamIdleTimeout"].clone();
    action["max_stream_duration"] = json!({"max_stream_duration": http["maxStreamDuration"]});
    match policy.pointer("/requestBuffer/limit") {
        // Without upgrades.
        Some(limit) => {
            let buffer = json!({
                "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
                "buffer": {"max_request_bytes": bytes(limit)},
            });
            by_filter.insert(BUFFER.to_owned(), buffer);
        }
        None => action["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]),
    }
    if let Some(policy) = extension_policy(route, manifests).filter(|policy| has_filter(policy)) {
        let on = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}});
        by_filter.insert(filter_name(policy), on);
    }
    for policy in of_kind(manifests, "SecurityPolicy").filter(|policy| is_for(policy, route)) {
        let cors = &policy.content["spec"]["cors"];
        let origins = texts(&cors["allowOrigins"])
            .into_iter()
            .map(|origin| json!({"exact": origin}))
            .collect();
        by_filter.insert("envoy.filters.http.cors".to_owned(), cors_policy(origins, cors));
    }
    vec![json!({
        "name": cluster_name(route),
        "match": {"path_separated_prefix": matched["path"]["value"]},
        "route": action,
        "response_headers_to_add": headers,
        "typed_per_filter_config": by_filter,
    })]
}

/// The policy of a route, or else of the Gateway: never a merge of both.
fn extension_policy<'a>(route: &Manifest, manifests: &'a [Manifest]) -> Option<&'a Manifest> {
    let policies = || of_kind(manifests, "EnvoyExtensionPolicy");
    policies()
        .find(|policy| is_for(policy, route))
        .or_else(|| policies().find(|policy| policy.text("/spec/targetRefs/0/kind") == "Gateway"))
}

fn traffic_policy<'a>(route: &Manifest, manifests: &'a [Manifest]) -> Option<&'a Value> {
    let mut policies = of_kind(manifests, "BackendTrafficPolicy").filter(|policy| is_for(policy, route));
    let policy = policies.next().map(|policy| &policy.content["spec"])?;
    assert_eq!(policy["retry"]["numRetries"], 0, "nothing is tried again");
    Some(policy)
}

fn consistent_hash<'a>(route: &Manifest, manifests: &'a [Manifest]) -> Option<&'a Value> {
    let balancing = traffic_policy(route, manifests)?.get("loadBalancer")?;
    assert_eq!(balancing["type"], "ConsistentHash");
    assert_eq!(balancing["consistentHash"]["type"], "Header");
    Some(&balancing["consistentHash"])
}

/// The cluster of a route.
pub(super) fn cluster(local: &Local<'_>, route: &Manifest, manifests: &[Manifest]) -> Value {
    let backend = &route.content["spec"]["rules"][0]["backendRefs"][0];
    let (service, namespace) = (text(backend, "name"), text(backend, "namespace"));
    if namespace != route.text("/metadata/namespace") {
        let mut grants = of_kind(manifests, "ReferenceGrant");
        let granted = grants
            .any(|grant| grant.text("/metadata/namespace") == namespace && grant.text("/spec/to/0/name") == service);
        assert!(
            granted,
            "{namespace} grants no reference to {service}: add a ReferenceGrant"
        );
    }
    let mut cluster = local.cluster(
        &cluster_name(route),
        &format!("{service}.{namespace}.svc.cluster.local"),
    );
    if consistent_hash(route, manifests).is_some() {
        cluster["lb_policy"] = json!("MAGLEV");
    }
    // Envoy Gateway's default.
    cluster["per_connection_buffer_limit_bytes"] = json!(32768);
    let limits = &traffic_policy(route, manifests).expect("a policy for each route")["circuitBreaker"];
    cluster["circuit_breakers"] = circuit_breakers(
        &limits["maxConnections"],
        &limits["maxPendingRequests"],
        &limits["maxParallelRequests"],
    );
    cluster
}
