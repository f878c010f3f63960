//! From the resources of Gateway API and Envoy Gateway to Envoy's configuration, as Envoy Gateway does it: only of the fields
//! that ours have, where a request can tell the difference.
//!
//! What is from Envoy Gateway's source: the filters of all policies are in the connection manager, CORS before wasm, each wasm
//! filter switched off and switched on by its routes; `config` is a JSON text; Envoy fetches the module from the controller,
//! with its checksum; the proxy's own clusters come from the bootstrap.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::envoy::{
    Local, Translation, circuit_breakers, cors_filter, cors_policy, domains, endpoint, manager, merge, of_kind, texts,
};
use super::manifests::Manifest;
use crate::proxy;

/// Instead of Envoy Gateway's controller: serves the module.
pub struct ModuleServer {
    address: SocketAddr,
    /// Of the module that the configuration asks for, in hex.
    sha256: String,
}

impl ModuleServer {
    /// Starts it. The configuration will ask for the module by `sha256`, whatever is served.
    pub fn start(module: Vec<u8>, sha256: &str) -> Self {
        Self {
            address: proxy::serve_many(move |_| Some(proxy::ok("application/wasm", &module))),
            sha256: sha256.to_owned(),
        }
    }
}

/// All that they lead to.
pub fn translate(local: &Local<'_>, module: &ModuleServer, manifests: &[Manifest]) -> Translation {
    let manifests = local.named(manifests);
    let mut filters: Vec<Value> = of_kind(&manifests, "SecurityPolicy")
        .map(|_| cors_filter())
        .take(1)
        .collect();
    filters.extend(
        of_kind(&manifests, "BackendTrafficPolicy")
            .filter_map(|policy| policy.content.pointer("/spec/requestBuffer/limit"))
            .map(buffer_filter)
            .take(1),
    );
    filters.extend(of_kind(&manifests, "EnvoyExtensionPolicy").map(|policy| wasm_filter(module, policy)));
    let gateway = of_kind(&manifests, "Gateway").next().expect("a Gateway");
    let listeners = gateway.content["spec"]["listeners"].as_array().expect("listeners");
    let mut clusters = bootstrap_clusters(local, &manifests);
    let wasm = "wasm_cluster";
    clusters.push(json!({
        "name": wasm,
        "load_assignment": {"cluster_name": wasm, "endpoints": [{"lb_endpoints": [endpoint(module.address)]}]},
    }));
    let mut chains = Vec::new();
    for listener in listeners {
        let (name, host) = (text(listener, "name"), text(listener, "hostname"));
        let mut routes = Vec::new();
        for route in
            of_kind(&manifests, "HTTPRoute").filter(|route| route.text("/spec/parentRefs/0/sectionName") == name)
        {
            assert_eq!(texts(&route.content["spec"]["hostnames"]), [host]);
            routes.extend(translated(route, &manifests));
            clusters.push(cluster(local, route, &manifests));
        }
        let host_of_all = json!({"name": host, "domains": domains(&[host]), "routes": routes});
        let mut connection_manager = manager(name, vec![host_of_all], filters.clone());
        let policy = client_policy(&manifests, name);
        settings(&mut connection_manager, policy);
        let mutual = match policy.pointer("/tls/clientValidation/mode").and_then(Value::as_str) {
            Some("RequireAndVerify") => true,
            None => false,
            other => panic!("{other:?} is not translated"),
        };
        let mut chain = local.chain(&[host], mutual, connection_manager);
        limit_connections(&mut chain, name, policy);
        chains.push(chain);
    }
    // The listener's settings are those of the Gateway's policy.
    let policy = client_policy(&manifests, "");
    let tcp = &policy["timeout"]["tcp"];
    let listener = json!({
        "per_connection_buffer_limit_bytes": bytes(&policy["connection"]["bufferLimit"]),
        "listener_filters_timeout": tcp["connectionInspectionTimeout"],
    });
    Translation {
        chains,
        clusters,
        listener,
        bootstrap: overload_manager(&manifests),
    }
}

const BUFFER: &str = "envoy.filters.http.buffer";

fn buffer_filter(limit: &Value) -> Value {
    json!({
        "name": BUFFER,
        "disabled": true,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
            "max_request_bytes": bytes(limit),
        },
    })
}

/// What a policy says of the connections of one listener.
fn limit_connections(chain: &mut Value, listener: &str, policy: &Value) {
    chain["transport_socket_connect_timeout"] = policy["timeout"]["tcp"]["tlsHandshakeTimeout"].clone();
    let limit = json!({
        "name": "envoy.filters.network.connection_limit",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
            "stat_prefix": listener,
            "max_connections": policy["connection"]["connectionLimit"]["value"],
        },
    });
    chain["filters"].as_array_mut().expect("filters").insert(0, limit);
}

/// Envoy Gateway's own overload manager, with the heap monitor that it makes from the container's limit, and the EnvoyProxy's
/// merged into it.
fn overload_manager(manifests: &[Manifest]) -> Value {
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

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Whether a policy is for an HTTPRoute.
fn targets(policy: &Manifest, route: &Manifest) -> bool {
    let targets = policy.content["spec"]["targetRefs"].as_array().expect("targets");
    let found = targets
        .iter()
        .any(|target| target["kind"] == "HTTPRoute" && target["name"] == route.name());
    found && policy.text("/metadata/namespace") == route.text("/metadata/namespace")
}

/// The policy of a listener, or else of the Gateway: one, never both together.
fn client_policy<'a>(manifests: &'a [Manifest], listener: &str) -> &'a Value {
    let of = |section: Option<&str>| {
        of_kind(manifests, "ClientTrafficPolicy").find(|policy| {
            policy
                .content
                .pointer("/spec/targetRefs/0/sectionName")
                .and_then(Value::as_str)
                == section
        })
    };
    &of(Some(listener)).or_else(|| of(None)).expect("a policy").content["spec"]
}

/// A quantity of Kubernetes in bytes.
fn bytes(quantity: &Value) -> u64 {
    let quantity = quantity.as_str().expect("a quantity");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let units = [("Ki", 10), ("Mi", 20), ("Gi", 30)];
    let with_unit = units
        .iter()
        .find_map(|(unit, shift)| Some(number(quantity.strip_suffix(unit)?) << shift));
    with_unit.unwrap_or_else(|| number(quantity))
}

fn settings(connection_manager: &mut Value, policy: &Value) {
    let (path, headers, http) = (&policy["path"], &policy["headers"], &policy["timeout"]["http"]);
    connection_manager["merge_slashes"] = json!(path["disableMergeSlashes"] == false);
    connection_manager["path_with_escaped_slashes_action"] = match text(path, "escapedSlashesAction") {
        "RejectRequest" => json!("REJECT_REQUEST"),
        other => panic!("{other} is not translated"),
    };
    connection_manager["common_http_protocol_options"] = json!({
        "headers_with_underscores_action": match text(headers, "withUnderscoresAction") {
            "DropHeader" => "DROP_HEADER",
            other => panic!("{other} is not translated"),
        },
        "idle_timeout": http["idleTimeout"],
    });
    connection_manager["max_request_headers_kb"] = json!(bytes(&headers["maxRequestHeaderLimit"]) >> 10);
    let removed: Vec<Value> = texts(&headers["earlyRequestHeaders"]["remove"])
        .into_iter()
        .map(|name| json!({"remove": name}))
        .collect();
    connection_manager["early_header_mutation_extensions"] = json!([{
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": removed,
        },
    }]);
    connection_manager["request_headers_timeout"] = http["requestHeadersReceivedTimeout"].clone();
    assert!(http.get("requestReceivedTimeout").is_none(), "it would end streams");
    connection_manager["stream_idle_timeout"] = http["streamIdleTimeout"].clone();
    connection_manager["http2_protocol_options"] = json!({
        "max_concurrent_streams": policy["http2"]["maxConcurrentStreams"],
        "initial_stream_window_size": bytes(&policy["http2"]["initialStreamWindowSize"]),
        "initial_connection_window_size": bytes(&policy["http2"]["initialConnectionWindowSize"]),
    });
    connection_manager["upgrade_configs"] = json!([{"upgrade_type": "websocket", "enabled": false}]);
}

fn filter_name(policy: &Manifest) -> String {
    let namespace = policy.text("/metadata/namespace");
    format!(
        "envoy.filters.http.wasm/envoyextensionpolicy/{namespace}/{}/wasm/0",
        policy.name()
    )
}

fn wasm_filter(module: &ModuleServer, policy: &Manifest) -> Value {
    let [wasm] = policy.content["spec"]["wasm"].as_array().expect("filters").as_slice() else {
        panic!("one filter for a route");
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

fn cluster_name(route: &Manifest) -> String {
    format!(
        "httproute/{}/{}/rule/0",
        route.text("/metadata/namespace"),
        route.name()
    )
}

fn translated(route: &Manifest, manifests: &[Manifest]) -> Vec<Value> {
    let [rule] = route.content["spec"]["rules"].as_array().expect("rules").as_slice() else {
        panic!("one rule for a route: policies are for all of it");
    };
    let [matched] = rule["matches"].as_array().expect("matches").as_slice() else {
        panic!("one match for a rule");
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
            other => panic!("{other} is not translated"),
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
        // No upgrades there.
        Some(limit) => {
            let buffer = json!({
                "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
                "buffer": {"max_request_bytes": bytes(limit)},
            });
            by_filter.insert(BUFFER.to_owned(), buffer);
        }
        None => action["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]),
    }
    for policy in of_kind(manifests, "EnvoyExtensionPolicy").filter(|policy| targets(policy, route)) {
        let on = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}});
        by_filter.insert(filter_name(policy), on);
    }
    for policy in of_kind(manifests, "SecurityPolicy").filter(|policy| targets(policy, route)) {
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

fn traffic_policy<'a>(route: &Manifest, manifests: &'a [Manifest]) -> Option<&'a Value> {
    let mut policies = of_kind(manifests, "BackendTrafficPolicy").filter(|policy| targets(policy, route));
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

fn cluster(local: &Local<'_>, route: &Manifest, manifests: &[Manifest]) -> Value {
    let backend = &route.content["spec"]["rules"][0]["backendRefs"][0];
    let (service, namespace) = (text(backend, "name"), text(backend, "namespace"));
    if namespace != route.text("/metadata/namespace") {
        let mut grants = of_kind(manifests, "ReferenceGrant");
        let granted = grants
            .any(|grant| grant.text("/metadata/namespace") == namespace && grant.text("/spec/to/0/name") == service);
        assert!(granted, "{namespace} grants no reference to {service}");
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

/// The EnvoyProxy, and its bootstrap, which is merged into that of Envoy Gateway.
fn bootstrap(manifests: &[Manifest]) -> (&Manifest, Value) {
    let proxy = of_kind(manifests, "EnvoyProxy").next().expect("an EnvoyProxy");
    assert_eq!(proxy.text("/spec/bootstrap/type"), "Merge");
    let bootstrap = super::manifests::parse("the bootstrap", proxy.text("/spec/bootstrap/value"));
    let [bootstrap] = bootstrap.as_slice() else {
        panic!("one bootstrap")
    };
    (proxy, bootstrap.content.clone())
}

/// The clusters in it.
fn bootstrap_clusters(local: &Local<'_>, manifests: &[Manifest]) -> Vec<Value> {
    let (_, bootstrap) = bootstrap(manifests);
    let mut clusters = bootstrap["static_resources"]["clusters"]
        .as_array()
        .expect("clusters")
        .clone();
    clusters.iter_mut().for_each(|cluster| local.resolve(cluster));
    clusters
}
