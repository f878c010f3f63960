//! The common part of both translations: names and addresses of a test system in place of the manifests', TLS,
//! clusters, and the rest of the configuration file.

use std::net::SocketAddr;

use demo_system::{Component, System};
use serde_json::{Value, json};

use super::kustomize::{self, Names};
use super::manifests::Manifest;

/// A system that represents the cluster.
pub struct Local<'a> {
    /// The system.
    pub system: &'a System,
    /// The address behind the Service of the business API.
    pub api: SocketAddr,
    /// The module's file.
    pub module: std::path::PathBuf,
}

impl Local<'_> {
    /// The resources of a base, with this system's names.
    pub fn manifests(&self, base: &str) -> Vec<Manifest> {
        let system = self.system;
        let names = Names::of_example(base).replaced(&[
            ("https://www.example.com", system.www()),
            ("https://login.example.com", system.login()),
            ("example.com", system.options().domain.clone()),
        ]);
        kustomize::render(base, &names).unwrap_or_else(|error| panic!("rendering {base} failed: {error}"))
    }

    /// The address behind a host name of the manifests.
    fn endpoints(&self, host: &str) -> Vec<SocketAddr> {
        let system = self.system;
        match host {
            "bff-service.bff.svc.cluster.local" => vec![system.bff_addr()],
            "bff-service-admin.bff.svc.cluster.local" => vec![system.bff_admin()],
            "business-api.api.svc.cluster.local" => vec![self.api],
            // Through the public listener, as from anywhere else, so with TLS.
            host if host == format!("login.{}", system.options().domain) => vec![system.public_addr()],
            other => panic!("missing address of {other}: add it to `Local::endpoints`"),
        }
    }

    /// A cluster of a host name, without its settings.
    pub fn cluster(&self, name: &str, host: &str) -> Value {
        let endpoints: Vec<Value> = self.endpoints(host).into_iter().map(endpoint).collect();
        json!({
            "name": name,
            "connect_timeout": "2s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        })
    }

    /// Replaces the host names in the endpoints of a cluster by addresses.
    pub fn resolve(&self, cluster: &mut Value) {
        let name = cluster["name"].as_str().expect("a name").to_owned();
        let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/address";
        let host = cluster
            .pointer(address)
            .and_then(Value::as_str)
            .expect("a host")
            .to_owned();
        cluster["load_assignment"] = self.cluster(&name, &host)["load_assignment"].take();
        // The demo's authority replaces the public authorities.
        let authorities = "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename";
        if let Some(file) = cluster.pointer_mut(authorities) {
            assert_eq!(file, "/etc/ssl/certs/ca-certificates.crt");
            *file = json!(self.system.ca_pem());
        }
    }

    /// A filter chain for connections to these hosts, with a connection manager inside.
    pub fn chain(&self, hosts: &[&str], client_certificates: bool, manager: Value) -> Value {
        let file = |name: &str| json!({"filename": self.system.directory().join(name)});
        let mut tls = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "tls_certificates": [{"certificate_chain": file("server.pem"), "private_key": file("server.key")}],
            },
        });
        if client_certificates {
            tls["require_client_certificate"] = json!(true);
            tls["common_tls_context"]["validation_context"] = json!({"trusted_ca": {"filename": self.system.ca_pem()}});
        }
        json!({
            "filter_chain_match": {"server_names": hosts},
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
            "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
        })
    }

    /// Runs the system's Envoy with this translation instead of its own configuration.
    pub fn run(&self, translation: Translation) {
        self.system.stop(Component::Envoy);
        self.write(translation);
        self.system.resume(Component::Envoy).expect("Envoy starts");
    }

    /// A filter chain and a cluster for the host of the authorization server, which is outside the cluster.
    pub fn outside(&self) -> (Value, Value) {
        let outside = "outside_authorization_server";
        let host = format!("login.{}", self.system.options().domain);
        let virtual_host = json!({
            "name": "outside",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": outside}}],
        });
        let chain = self.chain(&[&host], false, manager("outside", vec![virtual_host], vec![]));
        let endpoint = endpoint(self.system.authorization_server_addr());
        let cluster = json!({
            "name": outside,
            "load_assignment": {"cluster_name": outside, "endpoints": [{"lb_endpoints": [endpoint]}]},
        });
        (chain, cluster)
    }

    /// Writes the file that Envoy starts with. In addition to the translation it has the host of the authorization
    /// server, which is outside the cluster.
    pub fn write(&self, translation: Translation) {
        let Translation {
            mut chains,
            mut clusters,
            listener: settings,
            bootstrap,
        } = translation;
        let (chain, cluster) = self.outside();
        chains.push(chain);
        clusters.push(cluster);
        let mut listener = json!({
            "name": "https",
            "address": address(self.system.public_addr()),
            "listener_filters": [{
                "name": "envoy.filters.listener.tls_inspector",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
                },
            }],
            "filter_chains": chains,
        });
        merge(&mut listener, &settings);
        let mut configuration = json!({
            // A client of a discovery service must have a name.
            "node": {"id": "gateway", "cluster": "gateway"},
            "admin": {"address": address(self.system.envoy_admin())},
            "static_resources": {
                "listeners": [listener],
                "clusters": clusters,
            },
        });
        merge(&mut configuration, &bootstrap);
        let text = serde_json::to_string_pretty(&configuration).expect("JSON");
        // JSON is YAML.
        std::fs::write(self.system.directory().join("envoy.yaml"), text).expect("written");
    }
}

/// The result of a translation.
pub struct Translation {
    /// The filter chains of the only listener.
    pub chains: Vec<Value>,
    /// All clusters.
    pub clusters: Vec<Value>,
    /// The listener's own settings.
    pub listener: Value,
    /// Other parts of the configuration, beside listeners and clusters.
    pub bootstrap: Value,
}

/// Merges like protobuf: messages field by field, lists one after the other.
pub fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from.iter().cloned()),
        (into, from) => *into = from.clone(),
    }
}

/// Circuit breakers with these thresholds.
pub fn circuit_breakers(connections: &Value, pending: &Value, requests: &Value) -> Value {
    json!({"thresholds": [{
        "max_connections": connections,
        "max_pending_requests": pending,
        "max_requests": requests,
    }]})
}

/// A connection manager with Envoy's router after the filters.
pub fn manager(name: &str, virtual_hosts: Vec<Value>, mut filters: Vec<Value>) -> Value {
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }));
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "use_remote_address": true,
        "normalize_path": true,
        "route_config": {"name": name, "virtual_hosts": virtual_hosts},
        "http_filters": filters,
    })
}

/// The domains of a virtual host: without a port, and with any, since the test's is not the default one.
pub fn domains(hosts: &[&str]) -> Vec<String> {
    hosts
        .iter()
        .flat_map(|host| [(*host).to_owned(), format!("{host}:*")])
        .collect()
}

/// Envoy's CORS filter, which acts on routes that have a policy.
pub fn cors_filter() -> Value {
    json!({
        "name": "envoy.filters.http.cors",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"},
    })
}

/// A CORS policy of a route. The lists are the same in both kinds of manifests.
pub fn cors_policy(origins: Vec<Value>, policy: &Value) -> Value {
    let list = |name: &str| texts(&policy[name]).join(",");
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": origins,
        "allow_methods": list("allowMethods"),
        "allow_headers": list("allowHeaders"),
        "expose_headers": list("exposeHeaders"),
        "allow_credentials": policy["allowCredentials"],
        "max_age": policy["maxAge"].as_str().expect("a duration").trim_end_matches('s'),
    })
}

/// The strings of a list.
pub fn texts(list: &Value) -> Vec<&str> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| item.as_str().expect("a string")).collect()
}

/// The manifests of a kind.
pub fn of_kind<'a>(manifests: &'a [Manifest], kind: &'a str) -> impl Iterator<Item = &'a Manifest> {
    manifests.iter().filter(move |manifest| manifest.kind() == kind)
}

/// An address as Envoy's configuration writes it.
pub fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip(), "port_value": address.port()}})
}

/// An endpoint of a cluster.
pub fn endpoint(to: SocketAddr) -> Value {
    json!({"endpoint": {"address": address(to)}})
}
