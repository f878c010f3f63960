//! What breaks at the authorization server, or in the client's registration there.

use std::fs;
use std::process::Command;

use bff_tests::repository;
use bff_tests::setup::{eventually, start};
use bff_tests::user_agent::UserAgent;
use demo_system::Component;

use super::{ALERTS, Evidence, OPERATIONS, assert_alert, assert_told, other_secret, set};

#[test]
fn an_authorization_server_that_is_down() {
    let test = start(|_| {});
    let mut user = UserAgent::signed_in(&test.system);
    test.system.kill(Component::AuthorizationServer);
    assert_eq!(user.bff("POST", "/bff/refresh").status, 503);
    assert_told(
        &test,
        &Evidence {
            log: Component::Bff,
            line: "the token endpoint answered HTTP 503",
            metric: r#"bff_authorization_server_requests_total{endpoint="token",outcome="error_status"}"#,
            alert: "BffAuthorizationServerFailing",
            section: (OPERATIONS, "The authorization server is down or slow"),
        },
    );
}

#[test]
fn an_authorization_server_that_hangs() {
    let test = start(|options| {
        options.bff_request_timeout_ms = 1500;
        options.filter_timeout_ms = 1500;
        set(
            options,
            Component::Bff,
            "BFF_AUTHORIZATION_SERVER__EXCHANGE_SECONDS",
            "3",
        );
    });
    let mut user = UserAgent::signed_in(&test.system);
    let server = test.system.pid(Component::AuthorizationServer).expect("it runs");
    let stopped = Command::new("kill").args(["-STOP", &server.to_string()]).status();
    assert!(stopped.expect("kill").success());
    assert_eq!(user.get_data().status, 504);
    assert_eq!(user.bff("POST", "/bff/refresh").status, 502);
    let section = (OPERATIONS, "The authorization server is down or slow");
    assert_told(
        &test,
        &Evidence {
            log: Component::Bff,
            line: "timed out after 1500 ms",
            metric: r#"bff_authorization_server_requests_total{endpoint="token",outcome="timeout"}"#,
            alert: "BffAuthorizationServerFailing",
            section,
        },
    );
    assert_told(
        &test,
        &Evidence {
            log: Component::Envoy,
            line: "introspection timed out",
            metric: "bff_filter_introspection_failures",
            alert: "BffFilterIntrospectionFailing",
            section,
        },
    );
}

#[test]
fn a_service_that_starts_without_the_authorization_server() {
    let test = start(|_| {});
    test.system.stop(Component::Bff);
    test.system.kill(Component::AuthorizationServer);
    test.system.launch(Component::Bff).expect("the service starts");
    let log = test.system.log(Component::Bff);
    let before = fs::read_to_string(&log).expect("a log").len();
    eventually("the service says why it is not ready", || {
        fs::read_to_string(&log).is_ok_and(|text| text[before..].contains("HTTP 503"))
    });
    let (status, text) = demo_system::get(test.system.bff_admin(), "/readyz").expect("a response");
    assert!(
        status == 503 && text.contains("authorization server metadata"),
        "{status} {text}"
    );
    let (_, metrics) = demo_system::get(test.system.bff_admin(), "/metrics").expect("metrics");
    assert!(metrics.contains("\nbff_ready 0\n"), "{metrics}");
    assert_alert("bff_ready", "BffNotReady");
    assert!(repository::text(OPERATIONS).contains("\n### The service is not ready\n"));
}

#[test]
fn a_client_secret_that_has_expired() {
    let test = start(|options| {
        fs::create_dir_all(&options.directory).expect("a folder");
        let secret = other_secret(options);
        set(options, Component::AuthorizationServer, "CLIENT_SECRET_FILE", secret);
    });
    let mut user = UserAgent::new(&test.system);
    let page_url = user.go_through_login();
    assert_eq!(user.end_login(&page_url).status, 502);
    assert_told(
        &test,
        &Evidence {
            log: Component::Bff,
            line: "`invalid_client`",
            metric: r#"bff_authorization_server_requests_total{endpoint="token",outcome="rejected"}"#,
            alert: "BffClientRejected",
            section: (ALERTS, "BffClientRejected"),
        },
    );
}

#[test]
fn a_secret_of_the_introspection_client_that_has_expired() {
    let test = start(|options| {
        fs::create_dir_all(&options.directory).expect("a folder");
        let secret = other_secret(options);
        set(
            options,
            Component::AuthorizationServer,
            "GATEWAY_CLIENT_SECRET_FILE",
            secret,
        );
    });
    let user = UserAgent::signed_in(&test.system);
    assert_eq!(user.get_data().status, 502);
    assert_told(
        &test,
        &Evidence {
            log: Component::Envoy,
            line: "introspection failed: HTTP 401",
            metric: "bff_filter_introspection_failures",
            alert: "BffFilterIntrospectionFailing",
            section: (ALERTS, "BffFilterIntrospectionFailing"),
        },
    );
}

#[test]
fn a_clock_of_the_authorization_server_that_is_fast() {
    // Ten minutes ahead.
    const FAST: &str = "--import=data:text/javascript,const%20now=Date.now;Date.now=()=>now()+600000";
    let test = start(|options| set(options, Component::AuthorizationServer, "NODE_OPTIONS", FAST));
    let mut user = UserAgent::new(&test.system);
    let page_url = user.go_through_login();
    assert_eq!(user.end_login(&page_url).status, 400);
    assert_told(
        &test,
        &Evidence {
            log: Component::Bff,
            line: "`iat`",
            metric: r#"bff_refusals_total{endpoint="login_end",reason="id_token"}"#,
            alert: "BffIdTokensRefused",
            section: (OPERATIONS, "Clock skew"),
        },
    );
}

#[test]
fn an_authorization_server_that_has_lost_its_database() {
    // Each worker counts for itself.
    let test = start(|options| options.envoy_concurrency = Some(1));
    let mut user = UserAgent::signed_in(&test.system);
    test.system.stop(Component::AuthorizationServer);
    for entry in fs::read_dir(test.system.directory()).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("authorization-server.sqlite") {
            fs::remove_file(path).expect("removed");
        }
    }
    test.system.resume(Component::AuthorizationServer).expect("it starts");
    for _ in 0..4 {
        assert_eq!(user.get_data().status, 401);
    }
    assert_told(
        &test,
        &Evidence {
            log: Component::Envoy,
            line: "since the authorization server does not accept their access tokens",
            metric: "bff_filter_session_tokens_inactive",
            alert: "BffFilterSessionTokensInactive",
            section: (ALERTS, "BffFilterSessionTokensInactive"),
        },
    );
    assert_eq!(user.bff("POST", "/bff/refresh").status, 401);
    assert_told(
        &test,
        &Evidence {
            log: Component::Bff,
            line: "`invalid_grant`",
            metric: r#"bff_refusals_total{endpoint="refresh",reason="refresh_token_refused"}"#,
            alert: "BffSessionsLost",
            section: (ALERTS, "BffSessionsLost"),
        },
    );
}

#[test]
fn tokens_that_are_too_long_for_cookies() {
    let test = start(|options| set(options, Component::AuthorizationServer, "LARGE_CLAIM_BYTES", "16000"));
    let mut user = UserAgent::new(&test.system);
    let page_url = user.go_through_login();
    assert_eq!(user.end_login(&page_url).status, 500);
    assert_told(
        &test,
        &Evidence {
            log: Component::Bff,
            line: "the cookie __Http-example-id is too long",
            metric: r#"bff_requests_total{endpoint="login_end",outcome="server_error"}"#,
            alert: "BffServerErrors",
            section: (ALERTS, "BffServerErrors"),
        },
    );
}
