//! What breaks in the deployment: keys, configuration, Redis, the service itself.

use std::fs;

use bff_tests::repository;
use bff_tests::setup::{eventually, start};
use bff_tests::two_replicas::{two_replicas, with_redis_and_no_affinity};
use bff_tests::user_agent::UserAgent;
use demo_system::Component;

use super::{ALERTS, Evidence, OPERATIONS, assert_alert, assert_told, set, value, with_service_stopped};

/// A key that is not in the ring, which has one key.
fn other_key(ring: &str) -> String {
    ring.trim().chars().rev().collect()
}

#[test]
fn a_redis_that_is_down() {
    let (test, _) = two_replicas(with_redis_and_no_affinity);
    test.system.kill(Component::Redis);
    assert_told(
        &test,
        &Evidence {
            log: Component::Bff,
            line: "Redis command failed",
            metric: "bff_redis_failures_total",
            alert: "BffRedisFailing",
            section: (OPERATIONS, "Redis is unavailable"),
        },
    );
    assert_eq!(value(&test, "bff_redis_unavailable"), 1.0);
    let (_, text) = demo_system::get(test.system.bff_admin(), "/readyz").expect("a response");
    assert!(text.starts_with("ready, but Redis is unavailable"), "{text}");
}

#[test]
fn a_service_that_is_gone() {
    let test = start(|_| {});
    let mut user = UserAgent::signed_in(&test.system);
    test.system.kill(Component::Bff);
    assert_eq!(user.bff("POST", "/bff/refresh").status, 503);
    let log = test.system.log(Component::Envoy);
    eventually("Envoy's access log says that no replica is there", || {
        let text = fs::read_to_string(&log).expect("a log");
        let line = text
            .lines()
            .rfind(|line| line.contains("\"/bff/refresh\""))
            .unwrap_or_default();
        line.contains("\"flags\":\"UH\"") || line.contains("\"flags\":\"UF") || line.contains("\"flags\":\"URX")
    });
    assert!(
        demo_system::get(test.system.bff_admin(), "/metrics").is_err(),
        "there is nothing to scrape"
    );
    assert_alert("bff_ready", "BffAbsent");
    assert!(repository::text(ALERTS).contains("\n### BffAbsent\n"));
}

#[test]
fn a_cookie_key_that_only_the_service_has() {
    let test = start(|_| {});
    let file = test.system.cookie_keys_file();
    let ring = fs::read_to_string(&file).expect("the ring");
    with_service_stopped(&test, &file, &format!("{},{}", other_key(&ring), ring.trim()));
    let user = UserAgent::signed_in(&test.system);
    assert_eq!(user.get_data().status, 401);
    assert_told(
        &test,
        &Evidence {
            log: Component::Envoy,
            line: "requests with a cookie sealed with a key that is not in the key ring",
            metric: "bff_filter_cookies_of_unknown_keys",
            alert: "BffFilterUnknownKeys",
            section: (ALERTS, "BffFilterUnknownKeys"),
        },
    );
}

#[test]
fn a_cookie_key_that_was_removed_too_early() {
    let test = start(|_| {});
    let mut user = UserAgent::signed_in(&test.system);
    let file = test.system.cookie_keys_file();
    let ring = fs::read_to_string(&file).expect("the ring");
    with_service_stopped(&test, &file, &other_key(&ring));
    assert_eq!(user.bff("POST", "/bff/refresh").status, 401);
    assert_told(
        &test,
        &Evidence {
            log: Component::Bff,
            line: "is sealed with a key that is not in the ring",
            metric: r#"bff_refusals_total{endpoint="refresh",reason="cookie_unreadable"}"#,
            alert: "BffCookiesUnreadable",
            section: (ALERTS, "BffCookiesUnreadable"),
        },
    );
}

#[test]
fn a_configuration_that_cannot_be_reloaded() {
    let test = start(|options| set(options, Component::Bff, "BFF_SERVER__REREAD_SECONDS", "1"));
    let file = test.system.directory().join("bff.toml");
    let text = fs::read_to_string(&file).expect("the configuration");
    fs::write(&file, text.replace("cookie_name_prefix = ", "cookie_name_perfix = ")).expect("written");
    assert_told(
        &test,
        &Evidence {
            log: Component::Bff,
            line: "cookie_name_perfix",
            metric: "bff_reread_refused",
            alert: "BffRereadRefused",
            section: (ALERTS, "BffRereadRefused"),
        },
    );
}

#[test]
fn a_page_whose_origin_was_not_added() {
    let test = start(|_| {});
    let mut user = UserAgent::signed_in(&test.system);
    user.origin = "https://new.example.com".to_owned();
    assert_eq!(user.bff("POST", "/bff/refresh").status, 401);
    assert_eq!(user.get_data().status, 401);
    assert_told(
        &test,
        &Evidence {
            log: Component::Bff,
            line: "the Origin is not trusted: `https://new.example.com` is not in `trusted_web_origins`",
            metric: r#"bff_refusals_total{endpoint="refresh",reason="origin"}"#,
            alert: "BffForgedRequests",
            section: (ALERTS, "BffForgedRequests"),
        },
    );
    assert_told(
        &test,
        &Evidence {
            log: Component::Envoy,
            line: "their Origin is not trusted, such as `https://new.example.com`",
            metric: "bff_filter_untrusted_origins",
            alert: "BffFilterUntrustedOrigins",
            section: (ALERTS, "BffFilterUntrustedOrigins"),
        },
    );
}

#[test]
fn a_list_of_ended_sessions_that_the_filter_cannot_poll() {
    let test = start(|options| {
        let (to_service, elsewhere) = (r#""cluster": "bff_admin""#, r#""cluster": "business_api""#);
        options.envoy_changes = vec![(to_service.to_owned(), elsewhere.to_owned())];
    });
    assert_told(
        &test,
        &Evidence {
            log: Component::Envoy,
            line: "polls of the list of ended sessions failed: HTTP 404",
            metric: "bff_filter_ended_sessions_failures",
            alert: "BffFilterEndedSessionsStale",
            section: (ALERTS, "BffFilterEndedSessionsStale"),
        },
    );
}
