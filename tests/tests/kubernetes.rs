//! The Envoy configurations that result from the manifests for Istio and Envoy Gateway, in the real Envoy with the real module,
//! and the service as the chart starts it. Without a cluster: the translation is the tests' own (`bff_tests::kubernetes`).

use std::fs;
use std::process::{Command, Stdio};

use bff_tests::http1::{Client, Request};
use bff_tests::kubernetes::cluster::{Cluster, module};
use bff_tests::kubernetes::entry_points::{all_three_entry_points_answer_right, get};
use bff_tests::kubernetes::envoy::Local;
use bff_tests::kubernetes::gateway::{self, ModuleServer};
use bff_tests::kubernetes::istio;
use bff_tests::kubernetes::manifests::Manifest;
use bff_tests::partner;
use bff_tests::setup::{eventually, native_module};
use bff_tests::user_agent::UserAgent;
use demo_system::{Artifacts, Component};
use serde_json::json;
use sha2::{Digest, Sha256};

fn run_istio(cluster: &Cluster, manifests: &[Manifest]) {
    let local = cluster.local();
    local.run(istio::translate(&local, manifests));
}

fn run_gateway(cluster: &Cluster, served: &ModuleServer, manifests: &[Manifest]) {
    let local = cluster.local();
    local.run(gateway::translate(&local, Some(served), manifests));
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn istios_manifests_lead_to_an_envoy_whose_three_entry_points_answer_right() {
    let cluster = Cluster::start();
    run_istio(&cluster, &cluster.local().manifests("istio/wasm-plugin"));
    // There the filters come before the routes.
    all_three_entry_points_answer_right(&cluster, 401);
}

#[test]
fn istios_traffic_extensions_lead_to_an_envoy_whose_three_entry_points_answer_right() {
    let cluster = Cluster::start();
    run_istio(&cluster, &cluster.local().manifests("istio/traffic-extension"));
    all_three_entry_points_answer_right(&cluster, 401);
}

/// Runs with the manifests of a base that has the native module.
fn run_native(cluster: &Cluster, base: &str) {
    let local = Local {
        module: native_module(),
        ..cluster.local()
    };
    let manifests = local.manifests(base);
    local.run(match base.starts_with("istio/") {
        true => istio::translate(&local, &manifests),
        false => gateway::translate(&local, None, &manifests),
    });
}

#[test]
fn istios_native_modules_lead_to_an_envoy_whose_three_entry_points_answer_right() {
    let cluster = Cluster::start();
    run_native(&cluster, "istio/native-module");
    all_three_entry_points_answer_right(&cluster, 401);
}

#[test]
fn envoy_gateways_native_modules_lead_to_an_envoy_whose_three_entry_points_answer_right() {
    let cluster = Cluster::start();
    run_native(&cluster, "gateway/v1.9+native-module");
    all_three_entry_points_answer_right(&cluster, 404);
}

#[test]
fn behind_istio_wasm_plugins_and_traffic_extensions_together_let_nothing_through_to_the_api() {
    let cluster = Cluster::start();
    let Cluster {
        test, api, mtls_port, ..
    } = &cluster;
    let system = &test.system;
    let mut manifests = cluster.local().manifests("istio/wasm-plugin");
    let of_both = cluster.local().manifests("istio/traffic-extension");
    let extensions = of_both
        .into_iter()
        .filter(|manifest| manifest.kind() == "TrafficExtension");
    manifests.extend(extensions);
    run_istio(&cluster, &manifests);
    let (mut user, partner) = (UserAgent::signed_in(system), partner::client(system));
    let (of_user, of_partner) = (cluster.token_of(&user), partner::token(system, *mtls_port));
    api.clear();
    // The service has no filter before it.
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    assert_eq!(user.get_data().status, 401);
    assert_eq!(get(&Client::new(system), "api", "/default/data", &of_user).status, 401);
    assert_eq!(get(&partner, "mtls", "/api/data", &of_partner).status, 401);
    assert_eq!(api.heads().len(), 0);
}

#[test]
fn envoy_gateways_manifests_lead_to_an_envoy_whose_three_entry_points_answer_right() {
    let cluster = Cluster::start();
    let bytes = fs::read(module()).expect("the module");
    let sha256 = hex_digest(&bytes);
    run_gateway(
        &cluster,
        &ModuleServer::start(bytes, &sha256),
        &cluster.local().manifests("gateway/v1.9"),
    );
    all_three_entry_points_answer_right(&cluster, 404);
}

#[test]
fn behind_istio_a_route_that_nobody_has_named_and_a_plugin_that_cannot_be_configured_let_nothing_through() {
    let cluster = Cluster::start();
    let Cluster { test, api, .. } = &cluster;
    let system = &test.system;
    let mut manifests = cluster.local().manifests("istio/wasm-plugin");
    istio::add_forgotten_route(&mut manifests);
    run_istio(&cluster, &manifests);
    let user = UserAgent::signed_in(system);
    let token = cluster.token_of(&user);
    let cookies = Request::new("GET", "/forgotten/data")
        .header("origin", &user.origin)
        .header("cookie", user.cookie_header());
    assert_eq!(user.get_data().status, 200);
    api.clear();
    assert_eq!(user.send(&cookies).status, 401);
    assert_eq!(get(&Client::new(system), "api", "/forgotten/data", &token).status, 401);

    // Without filter-routes.yaml every filter is before all routes.
    manifests.retain(|manifest| manifest.name() != "bff-filter-routes");
    run_istio(&cluster, &manifests);
    for path in ["/api/data", "/default/data", "/bff/session"] {
        let request = Request::new("GET", path)
            .header("origin", &user.origin)
            .header("cookie", user.cookie_header());
        assert_eq!(user.send(&request).status, 401, "{path}");
        assert_eq!(get(&Client::new(system), "api", path, &token).status, 401, "{path}");
    }
    assert_eq!(api.heads().len(), 0);

    // One plugin of three has an error in its configuration: the listener does not open.
    let mut manifests = cluster.local().manifests("istio/wasm-plugin");
    istio::configure(&mut manifests, "bff-mtls", |configuration| {
        configuration["phantom_token"]["client_secrets"] = json!({"env": "GATEWAY_CLIENT_SECRET"});
    });
    system.stop(Component::Envoy);
    let local = cluster.local();
    local.write(istio::translate(&local, &manifests));
    let mut envoy = Envoy::spawn(system);
    eventually("the configuration is refused", || {
        fs::read_to_string(&envoy.log)
            .is_ok_and(|log| log.contains("invalid configuration: phantom_token.client_secrets"))
    });
    assert!(
        envoy.process.try_wait().expect("a status").is_none(),
        "Envoy waits for a valid one"
    );
    let request = Request::new("GET", "/api/data").header("origin", &user.origin);
    assert!(Client::new(system).send("api", &request).is_err(), "nothing listens");
}

/// An Envoy that never becomes ready.
struct Envoy {
    process: std::process::Child,
    log: std::path::PathBuf,
}

impl Envoy {
    fn spawn(system: &demo_system::System) -> Self {
        let artifacts = Artifacts::from_env().unwrap_or_else(|error| panic!("{error}"));
        let (program, arguments) = artifacts.envoy.split_first().expect("Envoy");
        let log = system.directory().join("envoy-not-ready.log");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg("-c")
            .arg(system.directory().join("envoy.yaml"));
        command.args(["--log-level", "warning", "--disable-hot-restart", "--concurrency", "1"]);
        let secrets = fs::read_to_string(system.directory().join("envoy.env")).expect("the secrets");
        for (name, value) in secrets.lines().filter_map(|line| line.split_once('=')) {
            command.env(name, value.trim_matches('\''));
        }
        let output = fs::File::create(&log).expect("a log");
        let process = command
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .expect("Envoy starts");
        Self { process, log }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!(
                "---- Envoy's log\n{}",
                fs::read_to_string(&self.log).unwrap_or_default()
            );
        }
    }
}

#[test]
fn behind_envoy_gateway_a_module_that_is_not_the_expected_one_lets_nothing_through() {
    let cluster = Cluster::start();
    let Cluster { test, api, .. } = &cluster;
    let bytes = fs::read(module()).expect("the module");
    run_gateway(
        &cluster,
        &ModuleServer::start(bytes, &"0".repeat(64)),
        &cluster.local().manifests("gateway/v1.9"),
    );
    let user = UserAgent::signed_in(&test.system);
    let token = cluster.token_of(&user);
    api.clear();
    let refused = user.get_data();
    assert!(refused.status >= 500, "{refused:?}");
    assert!(get(&Client::new(&test.system), "api", "/default/data", &token).status >= 500);
    assert_eq!(api.heads().len(), 0);
}

#[test]
fn behind_envoy_gateway_a_route_without_a_policy_of_its_own_lets_nothing_through() {
    let cluster = Cluster::start();
    let Cluster { test, api, .. } = &cluster;
    let mut manifests = cluster.local().manifests("gateway/v1.9");
    let find = |kind: &str, name: &str| {
        let found = manifests
            .iter()
            .position(|manifest| manifest.kind() == kind && manifest.name() == name);
        found.expect("a manifest")
    };
    let (route, limits) = (
        find("HTTPRoute", "api-default"),
        find("BackendTrafficPolicy", "business-api"),
    );
    let mut forgotten = manifests[route].clone();
    forgotten.content["metadata"]["name"] = json!("forgotten");
    forgotten.content["spec"]["rules"][0]["matches"][0]["path"]["value"] = json!("/forgotten");
    manifests.push(forgotten);
    // The translation needs limits of each route.
    let mut target = manifests[limits].content["spec"]["targetRefs"][0].clone();
    target["name"] = json!("forgotten");
    let targets = manifests[limits].content["spec"]["targetRefs"].as_array_mut();
    targets.expect("targets").push(target);
    let bytes = fs::read(module()).expect("the module");
    let sha256 = hex_digest(&bytes);
    run_gateway(&cluster, &ModuleServer::start(bytes, &sha256), &manifests);
    let user = UserAgent::signed_in(&test.system);
    let token = cluster.token_of(&user);
    assert_eq!(user.get_data().status, 200);
    api.clear();
    let request = Request::new("GET", "/forgotten/data")
        .header("origin", &user.origin)
        .header("cookie", user.cookie_header());
    assert_eq!(user.send(&request).status, 401);
    assert_eq!(
        get(&Client::new(&test.system), "api", "/forgotten/data", &token).status,
        401
    );
    assert_eq!(api.heads().len(), 0);
}
