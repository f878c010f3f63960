//! Metadata that must be rejected: nobody is sent to their endpoints.

use serde_json::json;

use crate::support::app::TestApp;
use crate::support::authorization_server::{FakeAuthorizationServer, Misbehaviour};

/// A service that starts while the server's metadata are like this.
fn begun_with(change: impl FnOnce(&FakeAuthorizationServer)) -> (TestApp, String) {
    let server = FakeAuthorizationServer::start();
    change(&server);
    let app = TestApp::start_against(server, Default::default());
    let outcome = app.browser().post("/login/start").outcome();
    (app, outcome)
}

const UNAVAILABLE: &str = "502 authorization_server_error";

#[test]
fn rp_discovery_issuer_not_matching_config() {
    for issuer in [json!("https://other.example.test"), json!(null), json!(""), json!(7)] {
        let (app, outcome) = begun_with(|server| {
            server.state().metadata.insert("issuer".to_owned(), issuer.clone());
        });
        assert_eq!(outcome, UNAVAILABLE, "{issuer}");
        assert_eq!(app.admin("/readyz").status, 503, "{issuer}");
        // After the server is corrected, no restart is needed.
        app.authorization_server.state().metadata.clear();
        app.signed_in();
    }
}

#[test]
fn rp_discovery_with_endpoints_that_are_none() {
    for (name, value) in [
        ("token_endpoint", json!(null)),
        ("token_endpoint", json!("javascript:alert(1)")),
        (
            "authorization_endpoint",
            json!("https://user:password@login.example.test/"),
        ),
        ("authorization_endpoint", json!("not a URL")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("jwks_uri", json!(["https://login.example.test/keys"])),
        ("code_challenge_methods_supported", json!(["plain"])),
    ] {
        let (_app, outcome) = begun_with(|server| {
            server.state().metadata.insert(name.to_owned(), value.clone());
        });
        assert_eq!(outcome, UNAVAILABLE, "{name}: {value}");
    }
}

/// RFC 8414, RFC 9101, RFC 9126 and RFC 9207 say that these are Booleans. To read a string as `false` would be to leave
/// out what the server may require, and as `true`, what it may not have.
#[test]
fn rp_discovery_with_flags_that_are_no_booleans() {
    for name in [
        "authorization_response_iss_parameter_supported",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
    ] {
        for value in [
            json!("false"),
            json!("true"),
            json!(""),
            json!(0),
            json!(1),
            json!([false]),
        ] {
            let (app, outcome) = begun_with(|server| {
                server.state().metadata.insert(name.to_owned(), value.clone());
            });
            assert_eq!(outcome, UNAVAILABLE, "{name}: {value}");
            assert_eq!(app.admin("/readyz").status, 503, "{name}: {value}");
        }
    }
}

#[test]
fn rp_discovery_that_is_no_document() {
    let redirect = "HTTP/1.1 302 Found\r\nlocation: https://attacker.example.test/\r\ncontent-length: 0\r\n\r\n";
    let huge = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n{}",
        " ".repeat(10 * 1024 * 1024)
    );
    let deep = format!("{{\"issuer\":{}", "[".repeat(100_000));
    for (what, misbehaviour) in [
        ("HTML", Misbehaviour::Respond(200, "<html>sign in</html>".to_owned())),
        ("empty", Misbehaviour::Respond(200, String::new())),
        ("an array", Misbehaviour::Respond(200, "[]".to_owned())),
        ("deep", Misbehaviour::Respond(200, deep)),
        ("not found", Misbehaviour::Respond(404, "{}".to_owned())),
        ("an error", Misbehaviour::Respond(500, "{}".to_owned())),
        ("a redirect", Misbehaviour::Raw(redirect.into())),
        ("10 MB", Misbehaviour::Raw(huge.into_bytes())),
        ("no HTTP", Misbehaviour::Raw(b"SSH-2.0-OpenSSH_9\r\n".to_vec())),
        ("cut", Misbehaviour::Truncate),
        ("closed", Misbehaviour::Close),
    ] {
        let (app, outcome) = begun_with(|server| server.misbehave("metadata", misbehaviour));
        assert_eq!(outcome, UNAVAILABLE, "{what}");
        app.authorization_server.behave();
        app.signed_in();
    }
}
