//! Envoy Gateway: it translates the manifests, fetches the proxy-wasm module's image, and the real Envoy takes what it sends.
//!
//! The Deployment that it writes has Envoy's bootstrap configuration. [`pod`] changes there what a pod or a cluster's network
//! would give, and everything else comes over Envoy Gateway's own stream.
//!
//! * [`controller`]: the program.
//! * [`pod`]: the Envoy that it wants to run.

mod controller;
mod pod;

use std::path::Path;

use bff_tests::http1::{Client, Request};
use bff_tests::image_registry;
use bff_tests::kubernetes::cluster::Cluster;
use bff_tests::kubernetes::entry_points::{all_three_entry_points_answer_right, get};
use bff_tests::kubernetes::manifests::Manifest;
use bff_tests::repository;
use bff_tests::setup::{eventually, native_module};
use bff_tests::user_agent::UserAgent;
use serde_json::{Value, json};

use self::controller::Controller;
use crate::kubernetes::Kubernetes;
use crate::network::forward;
use crate::objects::{authority, certificate, secret, service, services, text};
use crate::{keys, report_success};

/// Where the Gateway and everything that belongs to it is.
const NAMESPACE: &str = "bff";
/// Where Envoy Gateway and its proxies are.
const SYSTEM: &str = "envoy-gateway-system";
/// The kinds with a status that says whether Envoy Gateway has accepted them.
const ACCEPTED: [&str; 6] = [
    "gateways.gateway.networking.k8s.io",
    "httproutes",
    "envoyextensionpolicies",
    "clienttrafficpolicies",
    "backendtrafficpolicies",
    "securitypolicies",
];

/// The bases, and the part of a filter's name in Envoy that says its form.
const FORMS: [(&str, &str); 2] = [
    ("gateway/v1.9", "wasm/envoyextensionpolicy"),
    ("gateway/v1.9+native-module", "dynamic_modules/envoyextensionpolicy"),
];

/// Walks through the system behind Envoy Gateway, with each form of the filter.
pub(crate) fn walk(kubernetes: &Kubernetes, folder: &Path) {
    let cluster = Cluster::start();
    let registry = image_registry::start(&repository::path("target/image/oci"), "compat");
    let image = format!("{registry}/bff-filter:0.1.0");
    kubernetes.apply(&around(&cluster));
    let mut controller = None;
    for (base, filter) in FORMS {
        println!("  {base}");
        kubernetes.delete("httproutes", "api", "--all");
        kubernetes.delete("httproutes", NAMESPACE, "--all");
        kubernetes.apply_manifests(&named(&cluster, base, &image));
        controller.get_or_insert_with(|| Controller::start(kubernetes, folder));
        eventually("Envoy Gateway accepts the manifests", || refused(kubernetes).is_empty());
        for change in pod::configure(kubernetes, &cluster, folder) {
            println!("  {change}");
        }
        eventually("Envoy has the filters in this form", || {
            cluster.has_route(filter)
                && !FORMS
                    .iter()
                    .any(|(_, other)| *other != filter && cluster.has_route(other))
        });
        all_three_entry_points_answer_right(&cluster, 404);
        report_success("three entry points, rejected requests, CORS, other spellings, the end of a session");
        keys::rotate(&cluster);
        check_unnamed_route(kubernetes, &cluster);
    }
}

/// An HTTPRoute without a policy of its own forwards nothing, nor does one of another namespace.
fn check_unnamed_route(kubernetes: &Kubernetes, cluster: &Cluster) {
    let system = &cluster.test.system;
    let route = |name: &str, namespace: &str| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "parentRefs": [{"name": "bff", "namespace": NAMESPACE, "sectionName": "https-api"}],
                "hostnames": [format!("api.{}", system.options().domain)],
                "rules": [{
                    "matches": [{"path": {"type": "PathPrefix", "value": format!("/{name}")}}],
                    "backendRefs": [{"name": "business-api", "namespace": "api", "port": 3002}],
                }],
            },
        })
    };
    kubernetes.apply(&[route("elsewhere", "api"), route("forgotten", NAMESPACE)]);
    eventually("Envoy has the route", || cluster.has_route("\"/forgotten\""));
    let user = UserAgent::signed_in(system);
    let token = cluster.token_of(&user);
    assert_eq!(user.get_data().status, 200);
    cluster.api.clear();
    for (path, status) in [("/forgotten/data", 401), ("/elsewhere/data", 404)] {
        let request = Request::new("GET", path)
            .header("origin", &user.origin)
            .header("cookie", user.cookie_header());
        assert_eq!(user.send(&request).status, status, "{path}");
        assert_eq!(get(&Client::new(system), "api", path, &token).status, status, "{path}");
    }
    assert_eq!(cluster.api.heads().len(), 0);
    kubernetes.delete("envoyextensionpolicies", NAMESPACE, "bff-web");
    eventually("the policy of the Gateway takes the place of the route's", || {
        user.get_data().status == 401
    });
    cluster.api.clear();
    assert_eq!(user.get_data().status, 401);
    assert_eq!(get(&Client::new(system), "api", "/api/data", &token).status, 401);
    assert_eq!(cluster.api.heads().len(), 0);
    report_success(
        "a route that nobody named forwards nothing, nor does one whose policy is gone, nor one of another namespace",
    );
}

/// What a cluster has beside our manifests.
fn around(cluster: &Cluster) -> Vec<Value> {
    let system = &cluster.test.system;
    let mut objects = services(cluster);
    objects.extend(service(
        NAMESPACE,
        "authorization-server",
        80,
        forward(system.authorization_server_addr()),
    ));
    for name in ["api-example-com", "mtls-example-com"] {
        objects.push(secret(NAMESPACE, name, "kubernetes.io/tls", &certificate(cluster)));
    }
    objects.push(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "partner-ca", "namespace": NAMESPACE},
        "data": {"ca.crt": authority(cluster)},
    }));
    // The walk gives them to Envoy as the kubelet would.
    let keys = text(&system.cookie_keys_file()).trim().to_owned();
    let data = [
        ("cookie-keys", keys),
        ("gateway-client-secret", "in Envoy's environment".to_owned()),
    ];
    objects.push(secret(SYSTEM, "bff-filter", "Opaque", &data));
    objects
}

/// The manifests with this system's names and port, and the host of the authorization server, which is behind the same gateway
/// here.
fn named(cluster: &Cluster, base: &str, image: &str) -> Vec<Manifest> {
    let system = &cluster.test.system;
    let mut manifests = cluster.local().manifests(base);
    for manifest in &mut manifests {
        let spec = &mut manifest.content["spec"];
        if let Some(wasm) = spec.pointer_mut("/wasm/0") {
            wasm["code"]["image"]["url"] = json!(image);
        }
        // The file that an init container copies.
        if let Some(file) = spec.pointer_mut("/dynamicModules/0/source/local/path") {
            *file = json!(native_module());
        }
        let Some(listeners) = spec.get_mut("listeners").and_then(Value::as_array_mut) else {
            continue;
        };
        let mut outside = listeners.first().expect("a listener").clone();
        outside["name"] = json!("https-login");
        outside["hostname"] = json!(format!("login.{}", system.options().domain));
        listeners.push(outside);
        for listener in listeners {
            listener["port"] = json!(system.public_addr().port());
        }
    }
    let metadata = json!({"name": "authorization-server", "namespace": NAMESPACE});
    let others = [
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": metadata,
            "spec": {
                "parentRefs": [{"name": "bff", "sectionName": "https-login"}],
                "rules": [{"backendRefs": [{"name": "authorization-server", "port": 80}]}],
            },
        }),
        json!({
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "EnvoyExtensionPolicy",
            "metadata": metadata,
            "spec": {"targetRefs": [
                {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "authorization-server"},
            ]},
        }),
    ];
    manifests.extend(others.map(|content| Manifest {
        file: "the authorization server".to_owned(),
        content,
    }));
    manifests
}

/// The conditions with which Envoy Gateway refuses objects, and objects without conditions.
fn refused(kubernetes: &Kubernetes) -> Vec<String> {
    let mut found = Vec::new();
    for kind in ACCEPTED {
        for object in kubernetes.list(kind, NAMESPACE) {
            let title = format!("{kind}/{}", object["metadata"]["name"]);
            let conditions = conditions(&object["status"]);
            if conditions.is_empty() {
                found.push(format!("{title}: no status yet"));
            }
            let unmet = conditions.iter().filter(|condition| {
                matches!(condition["type"].as_str(), Some("Accepted" | "ResolvedRefs")) && condition["status"] != "True"
            });
            found.extend(unmet.map(|condition| format!("{title}: {condition}")));
        }
    }
    found
}

/// All conditions of a status: its own, of listeners, parents and ancestors.
fn conditions(status: &Value) -> Vec<&Value> {
    let parts = ["listeners", "parents", "ancestors"];
    let below = parts
        .iter()
        .flat_map(|part| status[part].as_array().into_iter().flatten());
    std::iter::once(status)
        .chain(below)
        .flat_map(|part| part["conditions"].as_array().into_iter().flatten())
        .collect()
}
