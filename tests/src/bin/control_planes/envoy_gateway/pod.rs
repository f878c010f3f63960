//! The Envoy that Envoy Gateway wants to run: its bootstrap configuration, without a pod around it.

use std::fs;
use std::path::Path;

use bff_tests::kubernetes::cluster::Cluster;
use bff_tests::kubernetes::envoy::address;
use bff_tests::setup::eventually;
use demo_system::Component;
use serde_json::{Value, json};

use super::SYSTEM;
use super::controller::write_certificates;
use crate::kubernetes::Kubernetes;
use crate::network::name_server;

/// Clusters that our manifests add to the bootstrap.
const OURS: [&str; 2] = ["authorization_server", "bff_admin"];

/// Configures the system's Envoy as the Deployment says, starts it, and returns what was changed.
pub(super) fn configure(kubernetes: &Kubernetes, cluster: &Cluster, folder: &Path) -> Vec<String> {
    let system = &cluster.test.system;
    let container = container(kubernetes);
    let secrets: Vec<(&Value, &Value)> = container["env"]
        .as_array()
        .expect("variables")
        .iter()
        .filter_map(|variable| Some((&variable["name"], variable.pointer("/valueFrom/secretKeyRef/key")?)))
        .collect();
    assert_eq!(
        secrets,
        [
            (&json!("BFF_COOKIE_KEYS"), &json!("cookie-keys")),
            (&json!("GATEWAY_CLIENT_SECRET"), &json!("gateway-client-secret")),
        ],
        "other variables in Envoy's environment than those that this walk fills: change {}",
        file!()
    );
    let mut bootstrap: Value = serde_saphyr::from_str(argument(&container, "--config-yaml")).expect("YAML");
    let mut changes = Vec::new();
    bootstrap["node"]["id"] = json!("bff-1");
    bootstrap["node"]["cluster"] = json!(argument(&container, "--service-cluster"));
    bootstrap["node"]["locality"]["zone"] = json!("here");
    changes.push("set: the node's name and zone, which a pod has in its environment");
    bootstrap["admin"]["address"] = address(system.envoy_admin());
    changes.push("replaced: the port of the admin interface");
    let resources = &mut bootstrap["static_resources"];
    resources.as_object_mut().expect("resources").remove("listeners");
    changes.push("removed: the listener for Envoy's metrics, whose port is fixed");
    for cluster_of_bootstrap in resources["clusters"].as_array_mut().expect("clusters") {
        let name = cluster_of_bootstrap["name"].as_str().expect("a name").to_owned();
        if OURS.contains(&name.as_str()) {
            cluster.local().resolve(cluster_of_bootstrap);
        } else if name == "xds_cluster" {
            let context = &mut cluster_of_bootstrap["transport_socket"]["typed_config"]["common_tls_context"];
            let files = secrets_of_proxy(kubernetes, folder);
            context["tls_certificate_sds_secret_configs"][0]["sds_config"]["path_config_source"]["path"] =
                json!(files[0]);
            context["validation_context_sds_secret_config"]["sds_config"]["path_config_source"]["path"] =
                json!(files[1]);
        }
    }
    changes.push("replaced: the folder of the proxy's certificate");
    changes
        .push("replaced: the addresses of the two clusters in proxy.yaml, and the system's authorities by this run's");
    bootstrap["typed_dns_resolver_config"] = json!({
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            "resolvers": [address(name_server())],
            "dns_resolver_options": {"no_default_search_domain": true},
        },
    });
    changes.push("set: the name server");
    system.stop(Component::Envoy);
    // JSON is YAML.
    fs::write(system.directory().join("envoy.yaml"), bootstrap.to_string()).expect("written");
    system
        .resume(Component::Envoy)
        .unwrap_or_else(|error| panic!("starting Envoy with what Envoy Gateway sends failed: {error}"));
    changes.into_iter().map(str::to_owned).collect()
}

/// Envoy's container in the Deployment.
fn container(kubernetes: &Kubernetes) -> Value {
    let mut found = None;
    eventually("Envoy Gateway writes a Deployment", || {
        let deployments = kubernetes.list("deployments", SYSTEM);
        let containers = deployments
            .iter()
            .filter_map(|deployment| deployment.pointer("/spec/template/spec/containers")?.as_array());
        found = containers
            .flatten()
            .find(|container| container["name"] == "envoy")
            .cloned();
        found.is_some()
    });
    found.expect("found")
}

/// The value of one of its arguments.
fn argument<'a>(container: &'a Value, name: &str) -> &'a str {
    let arguments: Vec<&str> = container["args"]
        .as_array()
        .expect("arguments")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let place = arguments.iter().position(|argument| *argument == name);
    let value = place.and_then(|place| arguments.get(place + 1));
    value.unwrap_or_else(|| {
        panic!("missing argument {name} of Envoy's container, which has {arguments:?}: see envoy-gateway.log")
    })
}

/// The proxy's certificate and its authority, as the ConfigMap beside the Deployment says, with files of this run.
fn secrets_of_proxy(kubernetes: &Kubernetes, folder: &Path) -> [std::path::PathBuf; 2] {
    let certificates = folder.join("certificates");
    write_certificates(kubernetes, "envoy", &certificates);
    let maps = kubernetes.list("configmaps", SYSTEM);
    ["xds-certificate.json", "xds-trusted-ca.json"].map(|name| {
        let text = maps
            .iter()
            .find_map(|map| map["data"][name].as_str())
            .unwrap_or_else(|| {
                panic!("missing {name} in the ConfigMaps of the namespace {SYSTEM}: see envoy-gateway.log")
            });
        let file = folder.join(name);
        fs::write(&file, text.replace("/certs/", &format!("{}/", certificates.display()))).expect("written");
        file
    })
}
