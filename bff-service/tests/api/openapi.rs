//! The OpenAPI document: the committed file is the document that the service serves.

use std::path::Path;

use serde_json::Value;

use crate::support::app::{Setup, TestApp};
use crate::support::authorization_server::FakeAuthorizationServer;

/// Enables every optional feature.
fn document() -> Value {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    std::fs::write(&key, pair.serialize_pem()).unwrap();
    let lines = format!(
        "frontchannel_logout = true\nauthentication = 'client_secret_basic'\nsigning_key_files = ['{}']",
        key.display()
    );
    let setup = Setup {
        client: &lines,
        session: "device_binding = 'where_supported'",
        more: "[navigation]\nredirect_uri = 'https://api.example.test/bff/callback'",
        ..Setup::default()
    };
    let response = TestApp::start_against(FakeAuthorizationServer::start(), setup).admin("/openapi.json");
    assert_eq!(response.header("content-type"), Some("application/json"));
    response.json()
}

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let path = Path::new(&package).join("../docs/openapi.json");
    let served = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("BFF_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == served,
        "docs/openapi.json is not what the service serves; update it with BFF_WRITE_OPENAPI=1 cargo test -p \
         bff-service --test api openapi, and look at the difference"
    );
}

#[test]
fn every_endpoint_that_answers_is_described_with_its_refusals() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let operations: Vec<(&String, &String, &Value)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods
                .as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| (path, method, operation))
        })
        .collect();
    assert_eq!(operations.len(), 16);
    for (path, method, operation) in operations {
        let responses = operation["responses"].as_object().unwrap();
        assert!(
            responses.keys().any(|status| status.starts_with(['2', '3'])),
            "{method} {path}"
        );
        assert!(
            responses.contains_key("401"),
            "{method} {path}: every caller may be refused"
        );
        assert!(
            responses
                .values()
                .all(|response| !response["description"].as_str().unwrap().is_empty()),
            "{method} {path}"
        );
    }
}

#[test]
fn what_an_application_does_not_have_is_not_described() {
    let document = TestApp::start().admin("/openapi.json").json();
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/bff/login",
        "/bff/callback",
        "/bff/jwks",
        "/bff/frontchannel-logout",
        "/bff/dbsc/register",
    ] {
        assert!(!paths.contains_key(path), "{path}");
    }
    assert!(paths["/bff/logout"].get("get").is_none());
}

#[test]
fn the_document_says_where_the_api_is_and_not_that_it_is_at_the_admin_listener() {
    assert_eq!(document()["servers"][0]["url"], "https://api.example.test");
    let document = TestApp::start().admin("/openapi.json").json();
    let server = &document["servers"][0];
    assert_eq!(server["url"], "https://{host}");
    assert!(server["variables"]["host"]["default"].is_string());
}

#[test]
fn what_is_refused_when_it_is_empty_is_not_valid_when_it_is_empty() {
    let document = document();
    let body = |path: &str, kind: &str| {
        document["paths"][path]["post"]["requestBody"]["content"][kind]["schema"]["properties"].clone()
    };
    for (path, kind, pointer) in [
        ("/bff/login/end", "application/json", "/pageUrl"),
        (
            "/bff/backchannel-logout",
            "application/x-www-form-urlencoded",
            "/logout_token",
        ),
        (
            "/bff/login/start",
            "application/json",
            "/extraParams/items/properties/key",
        ),
    ] {
        let schema = body(path, kind).pointer(pointer).cloned().unwrap_or_default();
        let least = schema["minLength"].as_u64().unwrap_or(0);
        assert!(least >= 1 || schema["enum"].is_array(), "{path} {pointer}: {schema}");
    }
}
