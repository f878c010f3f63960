//! Translates Istio's resources to Envoy's configuration, as istiod does for a gateway: only the fields that our
//! manifests have. Another TLS mode, match or kind of patch panics, so that it must be added here.
//!
//! From istiod's source:
//!
//! - HTTP filters are in the order of the phases, higher priorities first, with CORS after them.
//! - Each WasmPlugin and each TrafficExtension is before every route, named as here. Its configuration is a JSON string,
//!   delivered over the extension configuration discovery service, for which the listener waits without limit.
//! - EnvoyFilters are applied last, those with lower priorities first.

mod patches;

use serde_json::{Map, Value, json};

use self::patches::{configurations_of_native_modules, patch, patches};

use crate::kubernetes::envoy::{
    Local, Translation, circuit_breakers, cors_filter, cors_policy, domains, manager, merge, of_kind, texts,
};
use crate::kubernetes::manifests::Manifest;

/// Translates all manifests.
pub fn translate(local: &Local<'_>, manifests: &[Manifest]) -> Translation {
    let mut extensions = extensions(manifests);
    extensions.sort_by_key(|extension| std::cmp::Reverse(extension.manifest.content["spec"]["priority"].as_i64()));
    let mut filters: Vec<Value> = extensions
        .iter()
        .map(|extension| wasm_filter(local, extension))
        .collect();
    filters.push(cors_filter());
    let gateway = of_kind(manifests, "Gateway").next().expect("a Gateway");
    let servers = gateway.content["spec"]["servers"].as_array().expect("servers");
    let mut chains: Vec<Value> = servers
        .iter()
        .map(|server| {
            let hosts = texts(&server["hosts"]);
            let virtual_hosts = of_kind(manifests, "VirtualService")
                .filter(|service| {
                    texts(&service.content["spec"]["hosts"])
                        .iter()
                        .all(|host| hosts.contains(host))
                })
                .map(|service| virtual_host(service, manifests))
                .collect();
            let name = server["name"].as_str().expect("a name");
            let mut connection_manager = manager(name, virtual_hosts, filters.clone());
            merge(&mut connection_manager, &defaults());
            patch(&mut connection_manager, local, manifests);
            let mutual = match server["tls"]["mode"].as_str() {
                Some("MUTUAL") => true,
                Some("SIMPLE") => false,
                other => panic!("the TLS mode {other:?} is not translated: add it to tests/src/kubernetes/istio"),
            };
            local.chain(&hosts, mutual, connection_manager)
        })
        .collect();
    for (place, value) in patches(manifests, "FILTER_CHAIN", "MERGE") {
        assert!(
            place.get("listener").is_none(),
            "a patch of one listener is not translated: {place}: add it to tests/src/kubernetes/istio"
        );
        chains.iter_mut().for_each(|chain| merge(chain, value));
    }
    let (mut listener, mut bootstrap) = (json!({}), json!({}));
    for (place, value) in patches(manifests, "LISTENER", "MERGE") {
        assert!(
            place.get("listener").is_none(),
            "a patch of one listener is not translated: {place}: add it to tests/src/kubernetes/istio"
        );
        merge(&mut listener, value);
    }
    for (_, value) in patches(manifests, "BOOTSTRAP", "MERGE") {
        merge(&mut bootstrap, value);
    }
    let mut clusters = clusters(local, manifests);
    for (place, value) in patches(manifests, "CLUSTER", "MERGE") {
        assert!(
            place.get("cluster").is_none(),
            "a patch of one cluster is not translated: {place}: add it to tests/src/kubernetes/istio"
        );
        clusters.iter_mut().for_each(|cluster| merge(cluster, value));
    }
    Translation {
        chains,
        clusters,
        listener,
        bootstrap,
    }
}

/// Further settings that istiod writes into a gateway's connection managers.
fn defaults() -> Value {
    json!({
        "server_name": "istio-envoy",
        "forward_client_cert_details": "SANITIZE_SET",
        "set_current_client_cert_details": {"subject": true, "cert": true, "dns": true, "uri": true},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    })
}

/// A filter of either kind.
struct Extension<'a> {
    manifest: &'a Manifest,
    /// Its name in Envoy.
    name: String,
    /// The fields that a WasmPlugin has in its `spec`, and a TrafficExtension in `spec.wasm`.
    wasm: &'a Value,
}

/// The filters of both kinds. istiod makes a TrafficExtension of each WasmPlugin, with a longer name.
fn extensions(manifests: &[Manifest]) -> Vec<Extension<'_>> {
    let of = |kind: &'static str, place: &'static str, end: &'static str| {
        of_kind(manifests, kind).map(move |manifest| Extension {
            manifest,
            name: format!(
                "extensions.istio.io/trafficextension/{}.{}{end}",
                manifest.text("/metadata/namespace"),
                manifest.name()
            ),
            wasm: manifest.content.pointer(place).expect("the module's fields"),
        })
    };
    of("TrafficExtension", "/spec/wasm", "")
        .chain(of("WasmPlugin", "/spec", "~istio-translated-wasmplugin"))
        .collect()
}

/// The file from which Envoy reads a filter's configuration in this test.
fn discovery_file(local: &Local<'_>, filter: &Manifest) -> std::path::PathBuf {
    let file = format!("{}-{}.yaml", filter.kind(), filter.name());
    local.system.directory().join(file)
}

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

fn wasm_filter(local: &Local<'_>, extension: &Extension<'_>) -> Value {
    let Extension { manifest, name, wasm } = extension;
    let spec = &manifest.content["spec"];
    assert_eq!(spec["phase"], "AUTHN");
    assert!(
        spec.get("match").is_none(),
        "the `match` of {name} is not translated: add it to tests/src/kubernetes/istio"
    );
    let variables = wasm["vmConfig"]["env"].as_array().expect("variables");
    let keys: Vec<&Value> = variables
        .iter()
        .inspect(|variable| assert_eq!(variable["valueFrom"], "HOST"))
        .map(|variable| &variable["name"])
        .collect();
    let configuration = json!({
        "@type": WASM,
        "config": {
            "name": format!("{}.{}", manifest.text("/metadata/namespace"), manifest.name()),
            "root_id": wasm["pluginName"],
            "failure_policy": wasm["failStrategy"],
            // A Struct as JSON in a string.
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": wasm["pluginConfig"].to_string(),
            },
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                // istio-agent fetches the image and gives Envoy a file.
                "code": {"local": {"filename": local.module}},
                "environment_variables": {"host_env_keys": keys},
            },
        },
    });
    let file = discovery_file(local, manifest);
    let discovered = json!({
        "version_info": "1",
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": name,
            "typed_config": configuration,
        }],
    });
    std::fs::write(&file, discovered.to_string()).expect("written");
    json!({
        "name": name,
        "config_discovery": {
            "config_source": {
                "resource_api_version": "V3",
                "path_config_source": {"path": file},
                "initial_fetch_timeout": "0s",
            },
            "type_urls": [WASM, "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"],
        },
    })
}

fn virtual_host(service: &Manifest, manifests: &[Manifest]) -> Value {
    let hosts = texts(&service.content["spec"]["hosts"]);
    let rules = service.content["spec"]["http"].as_array().expect("rules");
    let routes: Vec<Value> = rules.iter().flat_map(|rule| routes(rule, manifests)).collect();
    json!({"name": hosts[0], "domains": domains(&hosts), "routes": routes})
}

fn routes(rule: &Value, manifests: &[Manifest]) -> Vec<Value> {
    let destination = &rule["route"][0]["destination"];
    let host = destination["host"].as_str().expect("a host");
    assert_eq!(
        rule["retries"]["attempts"], 0,
        "Istio tries again by default: set `retries.attempts` to 0"
    );
    assert_ne!(
        rule["timeout"], "0s",
        "a rule of the resource definition refuses `timeout: 0s`: leave it out"
    );
    let mut action = json!({
        "cluster": format!("outbound|{}||{host}", destination["port"]["number"]),
        // Without one, Istio's is off (ISTIO_DEFAULT_REQUEST_TIMEOUT).
        "timeout": rule.get("timeout").unwrap_or(&json!("0s")),
    });
    if let Some(hash) = consistent_hash(host, manifests) {
        action["hash_policy"] = json!([{"header": {"header_name": hash["httpHeaderName"]}}]);
    }
    if let Some(prefix) = rule["rewrite"].get("uri") {
        action["prefix_rewrite"] = prefix.clone();
    }
    let mut route = json!({"name": rule["name"], "route": action});
    if let Some(policy) = rule.get("corsPolicy") {
        let mut policy = cors_policy(policy["allowOrigins"].as_array().expect("origins").clone(), policy);
        policy["forward_not_matching_preflights"] = json!(true);
        route["typed_per_filter_config"] = json!({"envoy.filters.http.cors": policy});
    }
    if let Some(Value::Object(headers)) = rule.pointer("/headers/response/add") {
        let headers: Vec<Value> = headers
            .iter()
            .map(|(key, value)| json!({"header": {"key": key, "value": value}}))
            .collect();
        route["response_headers_to_add"] = headers.into();
    }
    let matches = rule["match"].as_array().expect("matches");
    matches
        .iter()
        .map(|matched| {
            let mut route = route.clone();
            route["match"] = match (matched["uri"].get("exact"), matched["uri"].get("prefix")) {
                (Some(path), None) => json!({"path": path}),
                (None, Some(prefix)) => json!({"prefix": prefix}),
                _ => panic!("the match {matched} is not translated: add it to tests/src/kubernetes/istio"),
            };
            route
        })
        .collect()
}

fn rule_of<'a>(host: &'a str, manifests: &'a [Manifest]) -> Option<&'a Value> {
    let mut rules = of_kind(manifests, "DestinationRule").filter(move |rule| rule.text("/spec/host") == host);
    rules.next().map(|rule| &rule.content["spec"]["trafficPolicy"])
}

fn consistent_hash<'a>(host: &'a str, manifests: &'a [Manifest]) -> Option<&'a Value> {
    rule_of(host, manifests)?.pointer("/loadBalancer/consistentHash")
}

/// One cluster for each destination of the routes and for each cluster that a filter names.
fn clusters(local: &Local<'_>, manifests: &[Manifest]) -> Vec<Value> {
    let mut names = Vec::new();
    for service in of_kind(manifests, "VirtualService") {
        for rule in service.content["spec"]["http"].as_array().into_iter().flatten() {
            let destination = &rule["route"][0]["destination"];
            let host = destination["host"].as_str().expect("a host");
            names.push(format!("outbound|{}||{host}", destination["port"]["number"]));
        }
    }
    let of_wasm = extensions(manifests);
    let of_wasm = of_wasm.iter().map(|extension| &extension.wasm["pluginConfig"]);
    for configuration in of_wasm.chain(configurations_of_native_modules(manifests)) {
        for place in ["/phantom_token/cluster", "/bff_token/ended_sessions/cluster"] {
            let name = configuration.pointer(place);
            names.extend(name.and_then(Value::as_str).map(str::to_owned));
        }
    }
    names.sort();
    names.dedup();
    names.iter().map(|name| cluster(local, name, manifests)).collect()
}

fn cluster(local: &Local<'_>, name: &str, manifests: &[Manifest]) -> Value {
    let host = name.rsplit('|').next().expect("a host");
    let mut cluster = local.cluster(name, host);
    // A field that is absent is practically unlimited.
    let unlimited = json!(u32::MAX);
    let Some(rule) = rule_of(host, manifests) else {
        cluster["circuit_breakers"] = circuit_breakers(&unlimited, &unlimited, &unlimited);
        return cluster;
    };
    let limit = |place: &str| rule["connectionPool"].pointer(place).unwrap_or(&unlimited);
    cluster["circuit_breakers"] = circuit_breakers(
        limit("/tcp/maxConnections"),
        limit("/http/http1MaxPendingRequests"),
        limit("/http/http2MaxRequests"),
    );
    if let Some(hash) = rule.pointer("/loadBalancer/consistentHash") {
        cluster["lb_policy"] = json!("RING_HASH");
        cluster["ring_hash_lb_config"] = hash["ringHash"]
            .as_object()
            .map(|ring| json!({"minimum_ring_size": ring["minimumRingSize"]}))
            .expect("a ring");
    }
    if let Some(tls) = rule.get("tls") {
        assert_eq!(tls["mode"], "SIMPLE");
        let entries: Vec<&str> = of_kind(manifests, "ServiceEntry")
            .flat_map(|entry| texts(&entry.content["spec"]["hosts"]))
            .collect();
        assert!(entries.contains(&host), "{host} has no ServiceEntry: add one");
        let names: Vec<Value> = texts(&tls["subjectAltNames"])
            .into_iter()
            .map(|name| json!({"san_type": "DNS", "matcher": {"exact": name}}))
            .collect();
        cluster["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": tls["sni"],
                "common_tls_context": {
                    "validation_context": {
                        "trusted_ca": {"filename": local.system.ca_pem()},
                        "match_typed_subject_alt_names": names,
                    },
                },
            },
        });
    }
    cluster
}

/// Changes a WasmPlugin's configuration.
pub fn configure(manifests: &mut [Manifest], plugin: &str, change: impl FnOnce(&mut Map<String, Value>)) {
    let plugin = manifests.iter_mut().find(|manifest| manifest.name() == plugin);
    let configuration = &mut plugin.expect("the plugin").content["spec"]["pluginConfig"];
    change(configuration.as_object_mut().expect("a configuration"));
}

/// Adds a route to the API, below `/forgotten/`, that `filter-routes.yaml` does not name.
pub fn add_forgotten_route(manifests: &mut [Manifest]) {
    let routes = manifests.iter_mut().find(|manifest| manifest.name() == "bff-api");
    let rules = routes.expect("routes").content["spec"]["http"]
        .as_array_mut()
        .expect("rules");
    let known = rules.iter().find(|rule| rule["name"] == "api-default");
    let mut other = known.expect("a rule").clone();
    other["name"] = json!("forgotten");
    other["match"] = json!([{"uri": {"prefix": "/forgotten/"}}]);
    rules.push(other);
}
