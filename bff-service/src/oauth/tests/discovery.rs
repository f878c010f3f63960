//! Metadata and JWKS: fetched, rejected, fetched again.

use serde_json::{Value, json};

use super::fake_server::{FakeServer, Reply, not_found, redirect_uri};
use super::signer::Signer;
use crate::oauth::discovery::{oauth_authorization_server_url, openid_configuration_url};
use crate::oauth::metadata::{Document, MetadataReport, examine};
use crate::oauth::{AuthorizationServer, OAuthClient, OAuthError};

/// Examines the fake server's metadata with changes. `null` removes a member.
fn examine_changed(changes: &Value, lines: &[&str]) -> MetadataReport {
    let server = FakeServer::start(not_found);
    let mut metadata = server.metadata();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => metadata.as_object_mut().unwrap().remove(name),
            value => metadata.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    let document: Document = serde_json::from_value(metadata).unwrap();
    examine(&document, &server.config(lines), true)
}

#[test]
fn the_well_known_urls_are_those_of_the_standards() {
    // OpenID Connect Discovery 1.0, section 4.1 puts the well-known part after the path, RFC 8414, section 3.1 before it.
    assert_eq!(
        openid_configuration_url("https://a.example/t/"),
        "https://a.example/t/.well-known/openid-configuration"
    );
    let url = |issuer| oauth_authorization_server_url(issuer).unwrap();
    assert_eq!(
        url("https://a.example/t"),
        "https://a.example/.well-known/oauth-authorization-server/t"
    );
    assert_eq!(
        url("https://a.example"),
        "https://a.example/.well-known/oauth-authorization-server"
    );
}

#[test]
fn metadata_that_cannot_be_used_are_refused_with_a_reason() {
    let table = [
        (
            json!({"issuer": "https://evil.example.com"}),
            "`authorization_server.issuer`",
        ),
        (json!({"issuer": null}), "missing issuer"),
        (
            json!({"authorization_endpoint": null}),
            "missing authorization_endpoint",
        ),
        (json!({"token_endpoint": null}), "missing token_endpoint"),
        (json!({"jwks_uri": null}), "missing jwks_uri"),
        (
            json!({"token_endpoint": "/token"}),
            "token_endpoint `/token`: it is not an absolute URL with a host",
        ),
        (json!({"token_endpoint": "file:///etc/passwd"}), "not https"),
        (
            json!({"token_endpoint": "https://a:b@login.example.com/"}),
            "a user name or a password",
        ),
        (
            json!({"authorization_endpoint": "https://login.example.com/#a"}),
            "a fragment",
        ),
        (json!({"code_challenge_methods_supported": ["plain"]}), "S256"),
        (json!({"code_challenge_methods_supported": []}), "S256"),
    ];
    for (changes, reason) in table {
        let examined = examine_changed(&changes, &[]);
        assert!(examined.metadata.is_none(), "{changes}");
        assert!(
            examined.errors.iter().any(|error| error.contains(reason)),
            "{changes}: {:?}",
            examined.errors
        );
    }
}

#[test]
fn plain_http_endpoints_are_refused_outside_demo_mode() {
    let server = FakeServer::start(not_found);
    let document: Document = serde_json::from_value(server.metadata()).unwrap();
    let text = r#"
        trusted_web_origins = ["https://www.example.com"]
        authorization_server.issuer = "https://login.example.com"
        client.id = "a"
        client.redirect_uri = "https://www.example.com/"
    "#;
    let secret = |name: &str| match name {
        "BFF_CLIENT_SECRET" => Some("s3cret".to_owned()),
        "BFF_COOKIE_KEYS" => Some("8f0f3f7c0e5d4b6a9c2e1d3b5a7f9e8d6c4b2a1f0e9d8c7b6a5f4e3d2c1b0a98".to_owned()),
        _ => None,
    };
    let examined = examine(&document, &crate::config::Config::parse(text, secret).unwrap(), true);
    let rejected = examined
        .errors
        .iter()
        .filter(|error| error.contains("its scheme is http"))
        .count();
    assert_eq!(rejected, 6);
}

#[test]
fn what_is_not_published_is_not_missed() {
    let changes = json!({
        "code_challenge_methods_supported": null,
        "userinfo_endpoint": null,
        "revocation_endpoint": null,
        "end_session_endpoint": null,
        "authorization_response_iss_parameter_supported": null,
    });
    let metadata = examine_changed(&changes, &[]).metadata.unwrap();
    assert!(!metadata.iss_parameter_supported);
    assert_eq!(metadata.userinfo_endpoint, None);
}

#[test]
fn a_configured_endpoint_goes_before_the_published_one() {
    let lines = ["authorization_server.token_endpoint = \"https://other.example.com/token\""];
    let metadata = examine_changed(&json!({"token_endpoint": "nonsense"}), &lines)
        .metadata
        .unwrap();
    assert_eq!(metadata.token_endpoint.as_str(), "https://other.example.com/token");
    assert_eq!(metadata.jwks_uri.path(), "/jwks");
}

#[test]
fn what_this_client_needs_and_the_server_lacks_is_doubted() {
    let changes = json!({
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "id_token_signing_alg_values_supported": ["HS256"],
        "response_types_supported": ["id_token"],
    });
    let examined = examine_changed(&changes, &["client.authentication = \"client_secret_basic\""]);
    assert!(examined.metadata.is_some());
    assert_eq!(examined.warnings.len(), 2, "{:?}", examined.warnings);
}

#[actix_web::test]
async fn metadata_come_from_rfc_8414_where_openid_has_none() {
    let server = FakeServer::start(not_found);
    let metadata = server.metadata();
    server.answer_by(move |request| match request.path() {
        "/.well-known/oauth-authorization-server" => Reply::Json(200, metadata.clone()),
        _ => not_found(request),
    });
    let request = server
        .client(&[])
        .authorization_request(&redirect_uri(), &[])
        .await
        .unwrap();
    assert!(
        request.url.starts_with(&server.url("/authorize?tenant=1&")),
        "{}",
        request.url
    );
}

#[actix_web::test]
async fn a_server_without_metadata_is_unavailable() {
    for reply in [
        Reply::Text(404, "text/html", "<html>".to_owned()),
        Reply::Text(200, "text/html", "<html>".to_owned()),
        Reply::Json(200, json!([1])),
        Reply::Json(200, json!({"issuer": ["a"]})),
        Reply::Redirect("https://login.example.com/".to_owned()),
        Reply::Close,
        Reply::Text(200, "application/json", " ".repeat(2_000_000)),
    ] {
        let server = FakeServer::start(move |_| reply.clone());
        let error = server
            .client(&[])
            .authorization_request(&redirect_uri(), &[])
            .await
            .err();
        assert!(matches!(error, Some(OAuthError::Unavailable(_))), "{error:?}");
    }
}

#[actix_web::test]
async fn a_server_that_comes_back_needs_no_restart() {
    let signer = Signer::es256("1");
    let server = FakeServer::authorization_server(&[&signer], not_found);
    let metadata = server.metadata();
    server.answer_by(|_| Reply::Json(500, json!({})));
    let client = server.client(&[]);
    assert!(client.authorization_request(&redirect_uri(), &[]).await.is_err());
    assert!(!client.is_ready());
    server.answer_by(move |_| Reply::Json(200, metadata.clone()));
    assert!(client.authorization_request(&redirect_uri(), &[]).await.is_ok());
}

#[actix_web::test]
async fn the_background_task_makes_the_provider_ready_once_the_server_is_there() {
    let signer = Signer::es256("1");
    let server = FakeServer::authorization_server(&[&signer], not_found);
    let (metadata, keys) = (server.metadata(), super::signer::jwks([&signer]));
    let mut failures = 2;
    server.answer_by(move |request| {
        if failures > 0 {
            failures -= 1;
            return Reply::Close;
        }
        match request.path() {
            "/jwks" => Reply::Json(200, keys.clone()),
            _ => Reply::Json(200, metadata.clone()),
        }
    });
    let config = server.config(&[]);
    let server = AuthorizationServer::new(&config, &std::sync::Arc::default()).unwrap();
    let client = OAuthClient::new(&config, server.clone());
    assert!(!client.is_ready());
    let keeping = actix_web::rt::spawn(server.clone().keep_fresh());
    while !client.is_ready() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    keeping.abort();
}
