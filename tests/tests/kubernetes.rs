//! The Envoy configurations that result from the manifests for Istio and Envoy Gateway, in the real Envoy with the real module,
//! and the service as the chart starts it. Without a cluster: the translation is the tests' own (`bff_tests::kubernetes`).

use std::fs;
use std::process::{Command, Stdio};

use bff_core::cookie::purpose::Purpose;
use bff_tests::http1::{Client, Request, Response};
use bff_tests::kubernetes::envoy::Local;
use bff_tests::kubernetes::gateway::{self, ModuleServer};
use bff_tests::kubernetes::istio;
use bff_tests::kubernetes::manifests::{self, Manifest};
use bff_tests::partner;
use bff_tests::recording_api::RecordingApi;
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, eventually, start};
use bff_tests::user_agent::{AT, UserAgent};
use demo_system::{Artifacts, Component, Ports};
use serde_json::json;
use sha2::{Digest, Sha256};

struct Cluster {
    test: TestSystem,
    api: RecordingApi,
    api_address: std::net::SocketAddr,
    /// The authorization server's port for clients with certificates.
    mtls_port: u16,
}

impl Cluster {
    fn start() -> Self {
        let mut parts = None;
        let test = start(|options| {
            options.without.push(Component::WebHost);
            let (api, address) = RecordingApi::start(options.ports.api);
            parts = Some((api, address, partner::set_up(options)));
        });
        let (api, api_address, mtls_port) = parts.expect("started");
        Self {
            test,
            api,
            api_address,
            mtls_port,
        }
    }

    fn local(&self) -> Local<'_> {
        Local {
            system: &self.test.system,
            api: self.api_address,
            module: module(),
        }
    }

    fn run_istio(&self, manifests: &[Manifest]) {
        let local = self.local();
        local.run(istio::translate(&local, manifests));
    }

    fn run_gateway(&self, served: &ModuleServer) {
        let local = self.local();
        local.run(gateway::translate(&local, served, &manifests::of_folder("gateway")));
    }

    fn token_of(&self, user: &UserAgent) -> String {
        let seals = Seals::of(&self.test.system, "example");
        seals.open(Purpose::AccessToken, &user.cookies[AT]).0
    }
}

fn module() -> std::path::PathBuf {
    Artifacts::from_env().unwrap_or_else(|error| panic!("{error}")).filter
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn get(client: &Client, host: &str, path: &str, token: &str) -> Response {
    let request = Request::new("GET", path).header("authorization", format!("Bearer {token}"));
    client.send(host, &request).expect("a response")
}

/// The requirements for every Envoy, however it was configured. `nowhere`: the status of a path without a route.
fn all_three_entry_points_answer_right(cluster: &Cluster, nowhere: u16) {
    let Cluster {
        test, api, mtls_port, ..
    } = cluster;
    let system = &test.system;
    let anyone = Client::new(system);
    let (mut user, partner) = (UserAgent::signed_in(system), partner::client(system));
    let (of_user, of_partner) = (cluster.token_of(&user), partner::token(system, *mtls_port));
    api.clear();

    // From the web: cookies; the API gets a JWT and no cookie.
    assert_eq!(user.get_data().status, 200);
    assert_eq!(user.send(&user.api_request("POST")).status, 200);
    let head = api.last();
    let of = |name: &str| head.iter().filter(|(found, _)| found == name).count();
    assert_eq!((of("authorization"), of("cookie"), of("x-example-csrf")), (1, 0, 0));
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    assert_eq!(user.get_data().status, 200);
    // From other clients and from partners.
    assert_eq!(get(&anyone, "api", "/default/data", &of_user).status, 200);
    assert_eq!(get(&partner, "mtls", "/api/data", &of_partner).status, 200);

    // A preflight request gets its response before the filter, and the page may read the filter's rejections.
    let preflight = Request::new("OPTIONS", "/api/data")
        .header("origin", &user.origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-example-csrf");
    let answer = anyone.send("api", &preflight).expect("a response");
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (200, Some(&*user.origin))
    );
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    let granted = answer.header("access-control-allow-headers").unwrap_or_default();
    assert!(granted.starts_with("content-type,x-example-csrf,"), "{granted}");
    let bare = Request::new("GET", "/api/data").header("origin", &user.origin);
    let answer = anyone.send("api", &bare).expect("a response");
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
    assert_eq!(answer.header("access-control-allow-origin"), Some(&*user.origin));
    assert_eq!(
        answer.header("access-control-expose-headers"),
        Some("grpc-status,grpc-message,retry-after")
    );
    api.clear();

    // No entry point accepts the credentials of another.
    assert_eq!(get(&anyone, "api", "/api/data", &of_user).status, 401);
    let cookies = |path: &str| {
        Request::new("GET", path)
            .header("origin", &user.origin)
            .header("cookie", user.cookie_header())
    };
    let refused = user.send(&cookies("/default/data"));
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (401, Some("Bearer realm=\"api\""))
    );
    assert_eq!(get(&anyone, "api", "/default/data", &of_partner).status, 401);
    assert_eq!(get(&partner, "mtls", "/api/data", &of_user).status, 401);
    assert!(
        anyone.send("mtls", &Request::new("GET", "/api/data")).is_err(),
        "no certificate"
    );
    let elsewhere = cookies("/api/data").header("sec-fetch-site", "cross-site");
    assert_eq!(user.send(&elsewhere).status, 401);
    // Nor another spelling of them, nor a path without a route.
    assert_eq!(user.send(&cookies("/default%2f..%2fapi/data")).status, 400);
    for path in ["/bffx", "/apix/data", "/metrics", "/ended-sessions", "/"] {
        assert_eq!(user.send(&cookies(path)).status, nowhere, "{path}");
    }
    let authority = anyone.authority("mtls");
    let request = Request::new("GET", "/api/data");
    assert_eq!(
        anyone.send_as("api", &authority, &request).expect("a response").status,
        nowhere
    );
    assert_eq!(api.heads().len(), 0, "nothing of these reached the API");

    // Headers that could be taken for others, or for a proxy's, are removed.
    let request = cookies("/api/data")
        .header("x_auth_subject", "somebody")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-for", "192.0.2.1");
    assert_eq!(user.send(&request).status, 200);
    let head = api.last();
    assert!(
        !head
            .iter()
            .any(|(name, _)| name == "x_auth_subject" || name == "x-forwarded-host"),
        "{head:?}"
    );
    assert!(
        !head.iter().any(|(_, value)| value.starts_with(b"192.0.2.1")),
        "{head:?}"
    );

    // After the end of a session a copy of its cookies is refused too: the filter reaches the service's admin listener.
    let copy = cookies("/api/data");
    assert_eq!(user.bff("POST", "/bff/logout").status, 200);
    eventually("the copy is refused", || {
        anyone.send("api", &copy).expect("a response").status == 401
    });
}

#[test]
fn istios_manifests_lead_to_an_envoy_whose_three_entry_points_answer_right() {
    let cluster = Cluster::start();
    cluster.run_istio(&manifests::of_folder("istio"));
    // There the filters come before the routes.
    all_three_entry_points_answer_right(&cluster, 401);
}

#[test]
fn envoy_gateways_manifests_lead_to_an_envoy_whose_three_entry_points_answer_right() {
    let cluster = Cluster::start();
    let bytes = fs::read(module()).expect("the module");
    let sha256 = hex_digest(&bytes);
    cluster.run_gateway(&ModuleServer::start(bytes, &sha256));
    all_three_entry_points_answer_right(&cluster, 404);
}

#[test]
fn behind_istio_a_route_that_nobody_has_named_and_a_plugin_that_cannot_be_configured_let_nothing_through() {
    let cluster = Cluster::start();
    let Cluster { test, api, .. } = &cluster;
    let system = &test.system;
    let mut manifests = manifests::of_folder("istio");
    let routes = manifests
        .iter_mut()
        .find(|manifest| manifest.name() == "bff-api")
        .expect("routes");
    let rules = routes.content["spec"]["http"].as_array_mut().expect("rules");
    let mut other = rules
        .iter()
        .find(|rule| rule["name"] == "api-default")
        .expect("a rule")
        .clone();
    other["name"] = json!("forgotten");
    other["match"] = json!([{"uri": {"prefix": "/forgotten/"}}]);
    rules.push(other);
    cluster.run_istio(&manifests);
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
    cluster.run_istio(&manifests);
    for path in ["/api/data", "/default/data", "/bff/session"] {
        let request = Request::new("GET", path)
            .header("origin", &user.origin)
            .header("cookie", user.cookie_header());
        assert_eq!(user.send(&request).status, 401, "{path}");
        assert_eq!(get(&Client::new(system), "api", path, &token).status, 401, "{path}");
    }
    assert_eq!(api.heads().len(), 0);

    // One plugin of three has an error in its configuration: the listener does not open.
    let mut manifests = manifests::of_folder("istio");
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
        "Envoy waits for a better one"
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
    cluster.run_gateway(&ModuleServer::start(bytes, &"0".repeat(64)));
    let user = UserAgent::signed_in(&test.system);
    let token = cluster.token_of(&user);
    api.clear();
    let refused = user.get_data();
    assert!(refused.status >= 500, "{refused:?}");
    assert!(get(&Client::new(&test.system), "api", "/default/data", &token).status >= 500);
    assert_eq!(api.heads().len(), 0);
}

#[test]
fn the_service_starts_with_what_the_chart_gives_its_pods_and_answers_their_probes() {
    let manifests = manifests::of_chart("least-values.yaml");
    let of_kind = |kind: &str| {
        manifests
            .iter()
            .find(|manifest| manifest.kind() == kind)
            .expect("in the chart")
    };
    let pod = &of_kind("Deployment").content["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let folder = tempfile::tempdir().expect("a folder");
    // The files that the kubelet would mount.
    let file = |path: &str| folder.path().join(path.trim_start_matches('/'));
    let write = |path: &str, text: &str| {
        fs::create_dir_all(file(path).parent().expect("a folder")).expect("made");
        fs::write(file(path), text).expect("written");
    };
    let configuration = &of_kind("ConfigMap").content["data"];
    for (name, text) in configuration.as_object().expect("data") {
        write(&format!("/etc/bff/config/{name}"), text.as_str().expect("text"));
    }
    for source in pod["volumes"][1]["projected"]["sources"].as_array().expect("sources") {
        let path = source["secret"]["items"][0]["path"].as_str().expect("a path");
        write(&format!("/etc/bff/secrets/{path}"), &hex_digest(path.as_bytes()));
    }
    let local = |text: &str| match text.starts_with("/etc/bff/") {
        true => file(text).to_string_lossy().into_owned(),
        false => text.to_owned(),
    };
    let artifacts = Artifacts::from_env().unwrap_or_else(|error| panic!("{error}"));
    let arguments = container["args"].as_array().expect("arguments");
    let mut command = Command::new(artifacts.bff_service);
    command.args(arguments.iter().map(|argument| local(argument.as_str().expect("text"))));
    let ports = Ports::free();
    for variable in container["env"].as_array().expect("variables") {
        let (name, value) = (
            variable["name"].as_str().expect("a name"),
            variable["value"].as_str().expect("a value"),
        );
        let value = match name {
            "BFF_SERVER__ADDRESS" | "BFF_SERVER__ADMIN_ADDRESS" => "127.0.0.1".to_owned(),
            "BFF_SERVER__PORT" => ports.bff.to_string(),
            "BFF_SERVER__ADMIN_PORT" => ports.bff_admin.to_string(),
            _ => local(value),
        };
        command.env(name, value);
    }
    let log = folder.path().join("log");
    command
        .stderr(fs::File::create(&log).expect("a log"))
        .stdout(Stdio::null());
    let mut service = command.spawn().expect("the service starts");
    let probe = |name: &str| {
        let path = container[name]["httpGet"]["path"].as_str().expect("a path");
        demo_system::get(std::net::SocketAddr::from(([127, 0, 0, 1], ports.bff_admin)), path).map(|(status, _)| status)
    };
    eventually("it is alive", || {
        if let Some(status) = service.try_wait().expect("a status") {
            panic!("{status}: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        probe("startupProbe").is_ok_and(|status| status == 200)
    });
    let alive_but_not_ready = (probe("livenessProbe").ok(), probe("readinessProbe").ok());
    let _ = service.kill();
    let _ = service.wait();
    // No authorization server is at example.com.
    assert_eq!(alive_but_not_ready, (Some(200), Some(503)));
}
