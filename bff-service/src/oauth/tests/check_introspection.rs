//! `check`: credentials for HTTP Basic, and introspection at the gateway.

use serde_json::json;

use super::fake_server::{FakeServer, Reply, Request};
use crate::cli::check::{self, Report};

const HINT: &str = "client.send_id_token_hint = true";
const PLAIN: [&str; 3] = ["client.id = \"spa\"", "client.secret = \"a-plain-secret\"", HINT];

fn no_introspection(_: &Request) -> Reply {
    Reply::Text(404, "text/html", "<html>not found".to_owned())
}

async fn report(server: &FakeServer, lines: &[&str]) -> Report {
    let mut report = Report::default();
    check::check_authorization_server(&server.config(lines), &mut report).await;
    report
}

/// Runs `check` with rules of `/authorize` that introspect at this server.
async fn report_with_rules(server: &FakeServer, secret: &str, authentication: &str) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authorize.json");
    let rules = json!({"phantom_token": {
        "introspection_endpoint": server.url("/introspect"),
        "cluster": "authorization_server",
        "client_id": "gateway",
        "client_secret": {"inline": secret},
        "client_authentication": authentication,
    }});
    std::fs::write(&path, rules.to_string()).unwrap();
    let file = format!("authorize.plugin_configuration_file = \"{}\"", path.display());
    report(server, &[&PLAIN[..], &[&file]].concat()).await
}

fn introspecting(status: u16, body: serde_json::Value) -> FakeServer {
    FakeServer::with_metadata(json!({}), move |request| match request.path() {
        "/introspect" => Reply::Json(status, body.clone()),
        _ => no_introspection(request),
    })
}

#[actix_web::test]
async fn check_warns_of_a_secret_that_many_servers_do_not_decode_under_basic() {
    let server = FakeServer::with_metadata(json!({}), no_introspection);
    for secret in ["a+b", "a/b", "ab==", "a:b", "100%", "a b"] {
        let secret = format!("client.secret = \"{secret}\"");
        let warned = report(&server, &["client.id = \"spa\"", &secret, HINT]).await;
        assert_eq!(warned.warnings.len(), 1, "{secret}: {warned}");
        assert!(
            warned.warnings[0].contains("client.authentication = \"client_secret_post\""),
            "{warned}"
        );
        // A configuration that follows this advice gets no warning about it.
        let post = [
            "client.id = \"spa\"",
            &secret,
            "client.authentication = \"client_secret_post\"",
            HINT,
        ];
        let followed = report(&server, &post).await;
        assert_eq!(followed.warnings, [""; 0], "{secret}");
    }
    assert_eq!(report(&server, &PLAIN).await.warnings, [""; 0]);
}

#[actix_web::test]
async fn check_asks_whether_the_gateways_client_may_introspect_tokens_of_the_services_client() {
    let server = introspecting(200, json!({"active": false}));
    for (report, question) in [
        (
            report(&server, &PLAIN).await,
            "if the filter introspects: may its client ",
        ),
        (
            report_with_rules(&server, "plain", "client_secret_basic").await,
            "may `gateway` ",
        ),
    ] {
        assert!(report.is_valid(), "{report}");
        let text = report.to_string();
        assert!(text.contains(&format!("not tested: {question}")), "{text}");
        assert!(text.contains("introspect tokens that were issued to `spa`?"), "{text}");
    }
}

#[actix_web::test]
async fn check_introspects_a_made_up_token_by_the_rules_of_authorize() {
    for (status, body) in [
        (200, json!({"active": false})),
        (400, json!({"error": "unsupported_token_type"})),
    ] {
        let server = introspecting(status, body);
        let valid = report_with_rules(&server, "plain", "client_secret_basic").await;
        assert!(
            valid.is_valid() && valid.to_string().contains("answers the introspection client `gateway`"),
            "{valid}"
        );
        let [asked] = &server.requests("/introspect")[..] else {
            panic!("the introspection endpoint did not get exactly one request")
        };
        assert!(asked.form().contains_key("token"));
        assert!(
            !asked.headers.contains_key("x-forwarded-proto"),
            "nothing is in between"
        );
    }
    for (status, body, words) in [
        (
            401,
            json!({"error": "invalid_client"}),
            "introspection failed: HTTP 401",
        ),
        (503, json!({}), "introspection failed: HTTP 503"),
        (
            200,
            json!({"active": true, "jwt": "e30.e30.e30"}),
            "no JWT that can be forwarded",
        ),
        (200, json!({}), "missing `active`"),
    ] {
        let server = introspecting(status, body);
        let invalid = report_with_rules(&server, "plain", "client_secret_basic").await;
        assert_eq!(invalid.errors.len(), 1, "{invalid}");
        assert!(invalid.errors[0].contains(words), "{invalid}");
    }
}

#[actix_web::test]
async fn check_knows_how_the_gateways_client_authenticates_itself() {
    let server = introspecting(200, json!({"active": false}));
    let basic = report_with_rules(&server, "a+b", "client_secret_basic").await;
    assert_eq!(basic.warnings.len(), 1, "{basic}");
    assert!(
        basic.warnings[0].contains("\"client_authentication\": \"client_secret_post\""),
        "{basic}"
    );
    let post = report_with_rules(&server, "a+b", "client_secret_post").await;
    assert_eq!(post.warnings, [""; 0]);
    let asked = server.requests("/introspect");
    let form = asked.last().unwrap().form();
    assert_eq!(
        (form["client_id"].as_str(), form["client_secret"].as_str()),
        ("gateway", "a+b")
    );
}

#[actix_web::test]
async fn check_exchanges_a_made_up_token_by_the_rules_of_authorize() {
    for (status, body, words) in [
        (400, json!({"error": "invalid_request"}), None),
        (400, json!({"error": "invalid_grant"}), None),
        (
            401,
            json!({"error": "invalid_client"}),
            Some("token exchange failed: HTTP 401"),
        ),
        (400, json!({"error": "invalid_target"}), Some("invalid_target")),
        (
            400,
            json!({"error": "unsupported_grant_type"}),
            Some("unsupported_grant_type: check token_endpoint"),
        ),
        (
            200,
            json!({"access_token": "e30.e30.e30", "token_type": "Bearer"}),
            Some("exchanges a made-up token"),
        ),
    ] {
        let server = FakeServer::with_metadata(json!({}), move |request| match request.path() {
            "/exchange" => Reply::Json(status, body.clone()),
            _ => no_introspection(request),
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authorize.json");
        let cookies = json!({
            "cookie_name_prefix": "example",
            "encryption_key": {"inline": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
            "trusted_web_origins": ["https://www.example.com"],
        });
        let rules = json!({"bff_token": cookies, "phantom_token": {
            "token_exchange": {"token_endpoint": server.url("/exchange"), "audience": "orders"},
            "cluster": "authorization_server",
            "client_id": "gateway",
            "client_secret": {"inline": "plain"},
        }});
        std::fs::write(&path, rules.to_string()).unwrap();
        let file = format!("authorize.plugin_configuration_file = \"{}\"", path.display());
        let report = report(&server, &[&PLAIN[..], &[&file]].concat()).await;
        match words {
            None => assert!(report.is_valid(), "{report}"),
            Some(words) => assert!(!report.is_valid() && report.to_string().contains(words), "{report}"),
        }
        let asked = server.requests("/exchange");
        assert_eq!((asked.len(), asked[0].form()["audience"].as_str()), (1, "orders"));
    }
}
