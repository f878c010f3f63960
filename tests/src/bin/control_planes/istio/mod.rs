//! Istio: its `pilot-discovery` translates the manifests, and the real Envoy takes what it sends.
//!
//! istiod writes for istio-proxy, an Envoy with further extensions and an agent beside it. Envoy itself refuses what needs
//! these, so listeners and clusters are taken from istiod's dump, and [`only_istio_proxy`] removes what only istio-proxy has.
//! Routes, endpoints and certificates come over istiod's own stream, as long as the walk takes. The filters' configurations are
//! in files, with the module as a file, because the agent and not Envoy fetches it. Those of the native module are in the
//! listeners.
//!
//! * [`istiod`]: the program.
//! * [`proxy`]: the gateway's Envoy, as istiod knows it.
//! * [`only_istio_proxy`]: the list.

mod istiod;
mod only_istio_proxy;
mod proxy;

use std::path::Path;

use bff_tests::http1::{Client, Request};
use bff_tests::kubernetes::cluster::Cluster;
use bff_tests::kubernetes::entry_points::{all_three_entry_points_answer_right, get};
use bff_tests::kubernetes::istio::add_forgotten_route;
use bff_tests::kubernetes::manifests::Manifest;
use bff_tests::setup::{eventually, native_module};
use bff_tests::user_agent::UserAgent;
use serde_json::{Value, json};

use self::istiod::Istiod;
use self::proxy::Proxy;
use crate::kubernetes::Kubernetes;
use crate::objects::{authority, certificate, secret, service, services};
use crate::{keys, network, report_success};

const NAMESPACE: &str = "istio-ingress";
/// The gateway's service account, in the name of Istio's own chart.
const ACCOUNT: &str = "bff-gateway";
const OURS: &str = "wasmplugins,trafficextensions,envoyfilters,virtualservices,gateways.networking.istio.io,\
                    serviceentries,destinationrules";

/// The file of the native module in an EnvoyFilter.
const FILE: &str = "/spec/configPatches/0/patch/value/typed_config/dynamic_module_config/module/local/filename";

/// Walks through the system behind Istio, with each kind of filters.
pub(crate) fn walk(kubernetes: &Kubernetes, folder: &Path) {
    let cluster = Cluster::start();
    let istiod = Istiod::start(kubernetes, folder);
    kubernetes.apply(&around(&cluster));
    for base in ["istio/wasm-plugin", "istio/traffic-extension", "istio/native-module"] {
        println!("  {base}");
        kubernetes.delete(OURS, NAMESPACE, "--all");
        let manifests = named(&cluster, base);
        kubernetes.apply_manifests(&manifests);
        let proxy = Proxy {
            cluster: &cluster,
            istiod: &istiod,
            token: kubernetes.token(NAMESPACE, ACCOUNT, "istio-ca"),
        };
        let is_discovered = |manifest: &&Manifest| ["WasmPlugin", "TrafficExtension"].contains(&manifest.kind());
        let discovered = manifests.iter().filter(is_discovered).count();
        let changes = proxy.configure(folder, discovered, |dump| is_whole(dump, &manifests));
        let refused = istiod.log().contains("failed to build envoy filter value");
        assert!(
            !refused,
            "istiod refuses an EnvoyFilter: see istiod.log in {}",
            folder.display()
        );
        for change in changes {
            println!("  {change}");
        }
        eventually("Envoy has the routes with their exceptions", || {
            ["api-default", "api-mtls", "BufferPerRoute"]
                .iter()
                .all(|part| cluster.has_route(part))
        });
        // There the filters come before the routes.
        all_three_entry_points_answer_right(&cluster, 401);
        report_success("three entry points, rejected requests, CORS, other spellings, the end of a session");
        keys::rotate(&cluster);
        check_unnamed_route(kubernetes, &cluster, &manifests);
    }
}

/// A route without an entry in filter-routes.yaml forwards nothing, nor does any route without that file.
fn check_unnamed_route(kubernetes: &Kubernetes, cluster: &Cluster, manifests: &[Manifest]) {
    let system = &cluster.test.system;
    let mut manifests = manifests.to_vec();
    add_forgotten_route(&mut manifests);
    kubernetes.apply_manifests(&manifests);
    eventually("Envoy has the route", || cluster.has_route("\"/forgotten/\""));
    let user = UserAgent::signed_in(system);
    let token = cluster.token_of(&user);
    let with_cookies = |path: &str| {
        Request::new("GET", path)
            .header("origin", &user.origin)
            .header("cookie", user.cookie_header())
    };
    assert_eq!(user.get_data().status, 200);
    cluster.api.clear();
    assert_eq!(user.send(&with_cookies("/forgotten/data")).status, 401);
    assert_eq!(get(&Client::new(system), "api", "/forgotten/data", &token).status, 401);
    kubernetes.delete("envoyfilters", NAMESPACE, "bff-filter-routes");
    eventually("Envoy has the routes without exceptions", || {
        !cluster.has_route("\"disabled\"")
    });
    for path in ["/api/data", "/default/data", "/bff/session"] {
        assert_eq!(user.send(&with_cookies(path)).status, 401, "{path}");
        assert_eq!(get(&Client::new(system), "api", path, &token).status, 401, "{path}");
    }
    assert_eq!(cluster.api.heads().len(), 0);
    report_success("a route that nobody named forwards nothing, nor does any without filter-routes.yaml");
}

/// Whether listeners and clusters in a dump are of all manifests: both servers, the filters in their order of names, what
/// bff-connections adds, and the clusters with the settings of their DestinationRules.
fn is_whole(dump: &Value, manifests: &[Manifest]) -> bool {
    let of_kind = |kind: &'static str, end: &'static str| {
        let found = manifests.iter().filter(move |manifest| manifest.kind() == kind);
        found.map(move |manifest| format!("/{NAMESPACE}.{}{end}\"", manifest.name()))
    };
    let filters = of_kind("WasmPlugin", "~istio-translated-wasmplugin").chain(of_kind("TrafficExtension", ""));
    let native = manifests
        .iter()
        .filter(|manifest| manifest.content.pointer(FILE).is_some());
    let native = native.map(|manifest| format!("\"name\":\"{}\"", manifest.name()));
    let others = [
        "https-api",
        "https-mtls",
        "envoy.filters.http.buffer",
        "RING_HASH",
        "file-root:system",
    ];
    let text = dump.to_string();
    filters
        .chain(native)
        .chain(others.map(str::to_owned))
        .all(|part| text.contains(&part))
}

/// What a cluster has beside our manifests. The Role is that of Istio's chart for gateways.
fn around(cluster: &Cluster) -> Vec<Value> {
    let metadata = json!({"name": ACCOUNT, "namespace": NAMESPACE});
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT}],
        }),
    ];
    // istiod takes a gateway's ports from the Service that selects it: port 443 is this system's there.
    let gateway = (network::own_address(), cluster.test.system.public_addr().port());
    let mut parts = service(NAMESPACE, ACCOUNT, 443, gateway.into());
    parts[0]["spec"]["selector"] = json!({"istio": "bff-gateway"});
    objects.extend(parts);
    objects.extend(services(cluster));
    let certificate = certificate(cluster);
    objects.push(secret(NAMESPACE, "api-example-com", "kubernetes.io/tls", &certificate));
    let [chain, key] = certificate;
    let with_authority = [chain, key, ("ca.crt", authority(cluster))];
    objects.push(secret(NAMESPACE, "mtls-example-com", "Opaque", &with_authority));
    objects
}

/// A base with this system's names, and its port of the authorization server.
fn named(cluster: &Cluster, base: &str) -> Vec<Manifest> {
    let mut manifests = cluster.local().manifests(base);
    for manifest in manifests
        .iter_mut()
        .filter(|manifest| manifest.kind() == "ServiceEntry")
    {
        manifest.content["spec"]["ports"][0]["targetPort"] = json!(cluster.test.system.public_addr().port());
    }
    // The native module's file, which an init container copies.
    for file in manifests
        .iter_mut()
        .filter_map(|manifest| manifest.content.pointer_mut(FILE))
    {
        *file = json!(native_module());
    }
    manifests
}
