//! Every kind of client of the authorization server, with the real one: authorization requests plain, pushed and
//! signed, the response by query and signed, each kind of client authentication, tokens bound to a key.

use bff_core::cookie::purpose::Purpose;
use bff_tests::client_credentials::{set, with_certificate, with_dpop_key, with_everything, with_signing_key};
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, start};
use bff_tests::user_agent::{AT, ID, UserAgent};
use demo_system::{Component, Options};
use serde_json::Value;

const SERVER: Component = Component::AuthorizationServer;
const BFF: Component = Component::Bff;

/// Signs in, reads data, refreshes, signs out.
fn walk(change: impl FnOnce(&mut Options)) -> (TestSystem, String) {
    let test = start(change);
    let mut stranger = UserAgent::new(&test.system);
    let started = stranger.bff("POST", "/bff/login/start");
    let url = started.json()["authorizationRequestUrl"]
        .as_str()
        .expect("a URL")
        .to_owned();
    let mut user = UserAgent::signed_in(&test.system);
    assert_eq!(
        user.bff("GET", "/bff/session").json()["claims"]["preferred_username"],
        "demouser"
    );
    assert_eq!(
        user.bff("GET", "/bff/userInfo").json()["preferred_username"],
        "demouser"
    );
    assert_eq!(user.get_data().status, 200);
    let before = user.cookies[AT].clone();
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    assert_ne!(user.cookies[AT], before);
    assert_eq!(user.get_data().status, 200);
    let copy = user.clone();
    assert_eq!(user.bff("POST", "/bff/logout").status, 200);
    let refused = copy.clone().bff("POST", "/bff/refresh");
    assert_eq!(refused.status, 401);
    let log = std::fs::read_to_string(test.system.log(SERVER)).expect("the log");
    let trouble = ["_refused", "server_error"];
    // That is how the server sends its nonce.
    let mut lines = log.lines().filter(|line| !line.contains("use_dpop_nonce"));
    assert!(
        !lines.any(|line| trouble.iter().any(|word| line.contains(word))),
        "{log}"
    );
    (test, url)
}

fn parameters(url: &str) -> Vec<String> {
    let url = url::Url::parse(url).expect("a URL");
    url.query_pairs().map(|(name, _)| name.into_owned()).collect()
}

#[test]
fn client_secret_post() {
    walk(|options| {
        set(options, SERVER, "CLIENT_AUTHENTICATION", "client_secret_post");
        set(options, BFF, "BFF_CLIENT__AUTHENTICATION", "client_secret_post");
    });
}

#[test]
fn private_key_jwt_with_each_kind_of_key() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_RSA_SHA256,
        &rcgen::PKCS_ED25519,
    ] {
        walk(|options| {
            with_signing_key(options, algorithm);
            // The service chooses this by itself: it has a key, and the server supports it.
            set(options, SERVER, "CLIENT_AUTHENTICATION", "private_key_jwt");
        });
    }
}

#[test]
fn private_key_jwt_for_the_token_endpoint() {
    walk(|options| {
        with_signing_key(options, &rcgen::PKCS_ED25519);
        set(options, SERVER, "CLIENT_AUTHENTICATION", "private_key_jwt");
        set(options, BFF, "BFF_CLIENT__ASSERTION_AUDIENCE", "token_endpoint");
    });
}

#[test]
fn userinfo_as_a_signed_jwt() {
    walk(|options| {
        set(options, SERVER, "CLIENT_USERINFO_ALGORITHM", "RS256");
        set(options, BFF, "BFF_USERINFO_SOURCE", "userinfo_endpoint");
    });
}

#[test]
fn a_refresh_without_the_scope_that_was_granted() {
    walk(|options| set(options, BFF, "BFF_CLIENT__SEND_SCOPE_AT_REFRESH", "false"));
}

#[test]
fn tls_client_auth() {
    walk(|options| {
        with_certificate(options, true);
        set(options, SERVER, "CLIENT_AUTHENTICATION", "tls_client_auth");
    });
}

#[test]
fn self_signed_tls_client_auth() {
    walk(|options| {
        with_certificate(options, false);
        set(options, SERVER, "CLIENT_AUTHENTICATION", "self_signed_tls_client_auth");
        set(
            options,
            BFF,
            "BFF_CLIENT__AUTHENTICATION",
            "self_signed_tls_client_auth",
        );
    });
}

#[test]
fn a_pushed_request_has_only_client_id_and_request_uri_in_the_browser() {
    let (_test, url) = walk(|options| {
        set(options, SERVER, "CLIENT_REQUIRE_PAR", "true");
        set(options, BFF, "BFF_CLIENT__PUSHED_AUTHORIZATION_REQUESTS", "true");
    });
    assert_eq!(parameters(&url), ["client_id", "request_uri"]);
}

#[test]
fn a_signed_request_by_value() {
    let (_test, url) = walk(|options| {
        with_signing_key(options, &rcgen::PKCS_ECDSA_P256_SHA256);
        set(options, SERVER, "CLIENT_REQUIRE_SIGNED_REQUEST", "true");
        set(options, BFF, "BFF_CLIENT__AUTHENTICATION", "client_secret_basic");
        set(options, BFF, "BFF_CLIENT__SIGNED_REQUEST_OBJECTS", "true");
    });
    assert_eq!(parameters(&url), ["client_id", "request"]);
}

#[test]
fn a_signed_response() {
    walk(|options| set(options, BFF, "BFF_CLIENT__RESPONSE_MODE", "jwt"));
}

#[test]
fn tokens_bound_to_a_key_with_the_servers_nonce() {
    walk(|options| {
        with_dpop_key(options);
        set(options, BFF, "BFF_USERINFO_SOURCE", "userinfo_endpoint");
    });
}

#[test]
fn everything_at_once() {
    let (_test, url) = walk(with_everything);
    assert_eq!(parameters(&url), ["client_id", "request_uri"]);
}

#[test]
fn mutual_tls_with_pushed_requests_and_signed_responses() {
    walk(|options| {
        with_certificate(options, true);
        set(options, SERVER, "CLIENT_AUTHENTICATION", "tls_client_auth");
        set(options, SERVER, "CLIENT_REQUIRE_PAR", "true");
        set(options, BFF, "BFF_CLIENT__PUSHED_AUTHORIZATION_REQUESTS", "true");
        set(options, BFF, "BFF_CLIENT__RESPONSE_MODE", "jwt");
    });
}

#[test]
fn access_tokens_for_a_resource() {
    const RESOURCE: &str = "https://api.example.com/orders";
    let test = start(|options| {
        set(options, SERVER, "RESOURCE", RESOURCE);
        set(options, BFF, "BFF_CLIENT__RESOURCE", RESOURCE);
        set(options, Component::Api, "AUDIENCE", RESOURCE);
    });
    let mut user = UserAgent::signed_in(&test.system);
    // The API accepts no token with another audience.
    assert_eq!(user.get_data().status, 200);
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn a_user_with_an_id_token_of_12_kb_signs_in_and_the_log_says_what_that_costs() {
    let test = start(|options| set(options, SERVER, "LARGE_CLAIM_BYTES", "8700"));
    let mut user = UserAgent::signed_in(&test.system);
    let parts: Vec<&String> = user
        .cookies
        .keys()
        .filter(|name| name.starts_with(&format!("{ID}.")))
        .collect();
    assert!(parts.len() >= 4, "{parts:?}");
    let seals = Seals::of(&test.system, "example");
    let sealed: String = (1..=parts.len())
        .map(|number| user.cookies[&format!("{ID}.{number}")].as_str())
        .collect();
    let (id_token, _) = seals.open(Purpose::IdToken, &sealed);
    assert!(id_token.len() > 12 * 1024, "{} bytes", id_token.len());
    let groups = user.bff("GET", "/bff/claims").json()["groups"].clone();
    assert!(matches!(&groups, Value::Array(names) if names.len() > 200));
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    assert_eq!(user.get_data().status, 200);
    assert_eq!(user.bff("POST", "/bff/logout").status, 200);
    assert!(
        user.cookies.is_empty(),
        "every part is cleared: {:?}",
        user.cookies.keys()
    );
    let log = std::fs::read_to_string(test.system.log(BFF)).expect("the log");
    assert!(
        log.contains("the cookies of a session take") && log.contains("configure the authorization server"),
        "{log}"
    );
}

#[test]
fn the_service_is_not_ready_and_says_why_where_configuration_and_server_do_not_go_together() {
    for (name, value, reason) in [
        (
            "BFF_CLIENT__SIGNED_REQUEST_OBJECTS",
            "true",
            "client.signed_request_objects: ",
        ),
        (
            "BFF_CLIENT__AUTHENTICATION",
            "private_key_jwt",
            "client.authentication: ",
        ),
        (
            "BFF_CLIENT__AUTHENTICATION",
            "tls_client_auth",
            "client.authentication: ",
        ),
    ] {
        let artifacts = demo_system::Artifacts::from_env().expect("the artifacts");
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = Options::for_tests(folder.path());
        set(&mut options, BFF, name, value);
        let error = demo_system::System::start(&artifacts, options)
            .expect_err("it does not start")
            .to_string();
        assert!(error.contains(reason), "{name}={value}: {error}");
    }
}
