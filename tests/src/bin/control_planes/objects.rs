//! Objects that a cluster has beside our manifests: Services with their endpoints, and Secrets.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use bff_tests::kubernetes::cluster::Cluster;
use serde_json::{Value, json};

use crate::network::forward;

/// A Service and its only endpoint.
pub(crate) fn service(namespace: &str, name: &str, port: u16, endpoint: SocketAddr) -> [Value; 2] {
    [
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"ports": [{"name": "http", "port": port, "targetPort": endpoint.port()}]},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": format!("{name}-1"),
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [endpoint.ip()], "conditions": {"ready": true}}],
            "ports": [{"name": "http", "port": endpoint.port(), "protocol": "TCP"}],
        }),
    ]
}

/// The Services that the manifests name, with the system's programs behind them.
pub(crate) fn services(cluster: &Cluster) -> Vec<Value> {
    let system = &cluster.test.system;
    [
        service("bff", "bff-service", 3003, forward(system.bff_addr())),
        service("bff", "bff-service-admin", 3005, forward(system.bff_admin())),
        service("api", "business-api", 3002, forward(cluster.api_address)),
    ]
    .concat()
}

/// A Secret.
pub(crate) fn secret(namespace: &str, name: &str, kind: &str, data: &[(&str, String)]) -> Value {
    let data: serde_json::Map<String, Value> = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": kind,
        "stringData": data,
    })
}

/// Certificate and key of the system's hosts.
pub(crate) fn certificate(cluster: &Cluster) -> [(&'static str, String); 2] {
    let folder = cluster.test.system.directory();
    [
        ("tls.crt", text(&folder.join("server.pem"))),
        ("tls.key", text(&folder.join("server.key"))),
    ]
}

/// The certificate of the system's authority.
pub(crate) fn authority(cluster: &Cluster) -> String {
    text(&cluster.test.system.ca_pem())
}

/// A file's text.
pub(crate) fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("reading {} failed: {error}", path.display()))
}
