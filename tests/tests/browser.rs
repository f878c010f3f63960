//! The tests in a real browser: `tests/browser/*.test.mjs`, run by Node.js against a system of their own.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bff_tests::client_credentials::set;
use bff_tests::device::bind_sessions;
use bff_tests::reconfigured_service::with_reconfiguration;
use bff_tests::setup::{TestSystem, add_second_user, start};
use bff_tests::{bounded, client_credentials, repository};
use demo_system::{Artifacts, Component, Control, Options, System};

/// Short enough to expire in a test, long enough for a test to finish its work before.
const ACCESS_TOKEN_SECONDS: u32 = 12;

/// Short enough to expire in a test, and several times what a sign-in takes.
const SESSION_IDLE_SECONDS: u32 = 20;
const SESSION_SECONDS: u32 = 70;

/// For all files of a test: many times what they need.
const LIMIT: Duration = Duration::from_secs(300);

/// A browser, Envoy and Node.js use both cores: with more of them, tests reach time limits for reasons that are not in
/// the code.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(system: &System, files: &[&str]) {
    run_with(system, files, &[]);
}

fn run_with(system: &System, files: &[&str], environment: &[(&str, String)]) {
    let artifacts = Artifacts::from_env().unwrap_or_else(|error| panic!("{error}"));
    let folder = repository::path("tests/browser");
    let mut node = Command::new(&artifacts.node);
    node.args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(files.iter().map(|file| folder.join(file)))
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("WWW", system.www())
        .env("API", system.api())
        .env("LOGIN", system.login())
        .env("CA_FILE", system.ca_pem())
        .env("BFF_ADMIN", format!("http://{}", system.bff_admin()))
        .env("WEB_ORIGIN", system.options().web_origin.clone().unwrap_or_default())
        .env("ENVOY_LOG", system.log(Component::Envoy))
        .env("ADMIN", format!("http://{}", system.authorization_server_addr()))
        .env("ADMIN_TOKEN", client_credentials::ADMIN_TOKEN)
        .env(
            "ACCESS_TOKEN_SECONDS",
            system.options().access_token_seconds.to_string(),
        );
    let (status, report) = bounded::run(node, LIMIT);
    let ended = format!("running the browser's tests timed out after {} ms", LIMIT.as_millis());
    let how = status.map_or(ended, |status| status.to_string());
    assert!(status.is_some_and(|status| status.success()), "{report}\n{how}");
    assert!(report.contains("fail 0") && !report.contains("tests 0"), "{report}");
}

#[test]
fn the_walkthrough_in_a_browser() {
    let _turn = turn();
    let test = start(|_| {});
    run(
        &test.system,
        &[
            "session.test.mjs",
            "tabs.test.mjs",
            "secrets.test.mjs",
            "trace.test.mjs",
        ],
    );
}

#[test]
fn the_client_in_several_tabs_of_a_browser() {
    let _turn = turn();
    let test = start(|_| {});
    run(&test.system, &["client.test.mjs"]);
}

/// The same walkthrough with the strictest profile that both the service and the server support.
#[test]
fn pushed_signed_and_bound_in_a_browser() {
    let _turn = turn();
    let test = start(client_credentials::with_everything);
    run(&test.system, &["session.test.mjs", "tabs.test.mjs"]);
}

#[test]
fn mutual_tls_in_a_browser() {
    let _turn = turn();
    let test = start(|options| {
        client_credentials::with_certificate(options, true);
        let server = Component::AuthorizationServer;
        client_credentials::set(options, server, "CLIENT_AUTHENTICATION", "tls_client_auth");
    });
    run(&test.system, &["session.test.mjs"]);
}

#[test]
fn signed_responses_in_a_browser() {
    let _turn = turn();
    let test = start(|options| {
        client_credentials::set(options, Component::Bff, "BFF_CLIENT__RESPONSE_MODE", "jwt");
    });
    run(&test.system, &["session.test.mjs"]);
}

#[test]
fn large_tokens_in_a_browser() {
    let _turn = turn();
    let test = start(|options| {
        client_credentials::set(options, Component::AuthorizationServer, "LARGE_CLAIM_BYTES", "8700");
    });
    run(&test.system, &["large-tokens.test.mjs"]);
}

#[test]
fn navigation_and_logout_from_outside_in_a_browser() {
    let _turn = turn();
    let test = start(client_credentials::with_administration);
    run(&test.system, &["navigation.test.mjs", "outside.test.mjs"]);
}

/// What the page shows of the system, and its panel that breaks parts of it.
#[test]
fn the_demos_page_in_a_browser() {
    let _turn = turn();
    let mut control = None;
    let test = start(|options| control = Some(Control::listen(options).expect("a port")));
    let control = control.expect("listening");
    control.respond_during(&test.system, || {
        run(
            &test.system,
            &["demo.test.mjs", "elements.test.mjs", "accessibility.test.mjs"],
        )
    });
}

/// The service and the API on the page's own origin.
#[test]
fn one_origin_in_a_browser() {
    let _turn = turn();
    let test = start(|options| options.one_origin = true);
    run(
        &test.system,
        &[
            "session.test.mjs",
            "tabs.test.mjs",
            "trace.test.mjs",
            "secrets.test.mjs",
            "elements.test.mjs",
        ],
    );
}

/// Cookies of earlier configurations and of a sibling domain.
#[test]
fn cookies_in_other_shapes_in_a_browser() {
    let _turn = turn();
    let test = start(|_| {});
    add_second_user(&test.system);
    let keys = test.system.cookie_keys_file().display().to_string();
    with_reconfiguration(&test.system, |control| {
        let environment = [("CONTROL", format!("http://{control}")), ("COOKIE_KEYS_FILE", keys)];
        run_with(&test.system, &["cookie-shapes.test.mjs"], &environment);
    });
}

/// The package, installed into a new project, and used through that project's own server.
#[test]
fn the_clients_package_in_a_browser() {
    let _turn = turn();
    let test = start(|options| {
        // Nothing else listens at this port: this system has no second replica.
        options.web_origin = Some(format!("http://localhost:{}", options.ports.second_bff));
    });
    run(&test.system, &["package.test.mjs"]);
}

/// Sessions that end because nobody is active, because of their lifetime, or elsewhere.
#[test]
fn the_end_of_a_session_in_a_browser() {
    // It waits most of the time, and no other test waits for it.
    let test = start(|options| {
        client_credentials::with_administration(options);
        for (name, seconds) in [
            ("MAX_IDLE_SECONDS", SESSION_IDLE_SECONDS),
            ("MAX_LIFETIME_SECONDS", SESSION_SECONDS),
        ] {
            let name = format!("BFF_SESSION__{name}");
            options.environment.push((Component::Bff, name, seconds.to_string()));
        }
    });
    let environment = [
        ("SESSION_IDLE_SECONDS", SESSION_IDLE_SECONDS.to_string()),
        ("SESSION_SECONDS", SESSION_SECONDS.to_string()),
    ];
    run_with(&test.system, &["session-end.test.mjs"], &environment);
}

/// How recently the user must have authenticated for a route: many times what a sign-in takes, and little to wait for.
const MAX_AUTH_AGE_SECONDS: u32 = 20;

/// Routes that require more of the user's authentication than the demo's.
fn require_authentication(options: &mut Options) {
    let api = "                        - match: { path_separated_prefix: /api }\n                          name: web\n";
    let filters = "upgrade_configs:\n                              - { upgrade_type: websocket, enabled: true }\n                          typed_per_filter_config:\n";
    let next = "                        - match: { path_separated_prefix: /default }\n";
    let metadata =
        |requirement: &str| format!("metadata: {{ filter_metadata: {{ bff_filter: {{ {requirement} }} }} }}");
    let pad = " ".repeat(26);
    let route = |name: &str, requirement: String| {
        format!(
            "                        - match: {{ path: /api/{name} }}\n\
             {pad}route: {{ cluster: business_api, prefix_rewrite: /api/data }}\n\
             {pad}{}\n\
             {pad}typed_per_filter_config: *api_filters\n",
            metadata(&requirement)
        )
    };
    let routes = [
        route("recent", format!("max_auth_age: \"{MAX_AUTH_AGE_SECONDS}\"")),
        // The demo's server has no such class of authentication.
        route("strong", "required_acr: \"urn:example:two-factors\"".to_owned()),
    ];
    let entries = "\"token_cache_entries\": 10000";
    let changes = [
        (
            api,
            api.replace("path_separated_prefix: /api", "path: /api/data")
                + &pad
                + &metadata("required_scopes: \"\"")
                + "\n",
        ),
        (
            filters,
            filters.replace("typed_per_filter_config:", "typed_per_filter_config: &api_filters"),
        ),
        (next, routes.concat() + next),
        (entries, format!("{entries}, \"route_metadata\": \"bff_filter\"")),
    ];
    options
        .envoy_changes
        .extend(changes.map(|(find, with)| (find.to_owned(), with)));
}

/// Sign-ins for routes that require more of the user's authentication (RFC 9470).
#[test]
fn step_up_in_a_browser() {
    let _turn = turn();
    let test = start(require_authentication);
    let environment = [("MAX_AUTH_AGE_SECONDS", MAX_AUTH_AGE_SECONDS.to_string())];
    run_with(&test.system, &["step-up.test.mjs"], &environment);
}

/// Device Bound Session Credentials, with keys in the browser's memory instead of a security chip.
const DEVICE_BOUND_SESSIONS: &str = "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting";

/// Walks through sessions whose cookie with the proof has this name.
fn sessions_bound_to_a_device(proof: &str, change: impl FnOnce(&mut Options)) -> TestSystem {
    let test = start(|options| {
        bind_sessions(options);
        change(options);
    });
    add_second_user(&test.system);
    let environment = [
        ("CHROMIUM_FEATURES", DEVICE_BOUND_SESSIONS.to_owned()),
        ("PROOF_COOKIE", proof.to_owned()),
    ];
    run_with(&test.system, &["device-binding.test.mjs"], &environment);
    test
}

#[test]
fn a_session_bound_to_a_device_in_a_browser() {
    let _turn = turn();
    let test = sessions_bound_to_a_device("__Host-example-bound", |_| {});
    // In a browser without the feature, the page works as before.
    run(&test.system, &["session.test.mjs"]);
}

#[test]
fn a_session_bound_to_a_device_at_one_origin_in_a_browser() {
    let _turn = turn();
    sessions_bound_to_a_device("__Host-example-bound", |options| options.one_origin = true);
}

/// `cookie_domain`: the browser asks the site itself which hosts may bind its sessions, and holds requests to each host.
#[test]
fn a_session_bound_to_a_device_at_all_hosts_of_its_site_in_a_browser() {
    let _turn = turn();
    sessions_bound_to_a_device("__Http-example-bound", |options| {
        let (domain, port) = (options.domain.clone(), options.ports.public);
        set(options, Component::Bff, "BFF_COOKIE_DOMAIN", &domain);
        set(options, Component::Bff, "BFF_HOSTS", format!("api.{domain}:{port}"));
        let prefix = "\"cookie_name_prefix\": \"example\",";
        let host = "                    - name: www\n";
        let site = format!(
            "                    - name: site
                      domains: [\"{domain}\", \"{domain}:{port}\"]
                      routes:
                        - match: {{ path: /.well-known/device-bound-sessions }}
                          route: {{ cluster: bff_service }}
"
        );
        options.envoy_changes.extend([
            (prefix.to_owned(), format!("{prefix} \"cookie_domain\": \"{domain}\",")),
            (host.to_owned(), site + host),
        ]);
    });
}

#[test]
fn the_end_of_an_access_token_in_a_browser() {
    // It waits most of the time, and no other test waits for it.
    let test = start(|options| options.access_token_seconds = ACCESS_TOKEN_SECONDS);
    run(&test.system, &["expiry.test.mjs"]);
}
