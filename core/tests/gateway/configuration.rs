//! The configuration: errors name the field and say what to write.

use bff_core::gateway::config::Config;
use serde_json::{Value, json};

use crate::support::{configuration, env};

fn error(changes: Value) -> String {
    Config::parse(configuration(changes).to_string().as_bytes(), env)
        .unwrap_err()
        .to_string()
}

#[test]
fn either_section_may_be_absent_but_not_both() {
    let parse = |changes| Config::parse(configuration(changes).to_string().as_bytes(), env);
    assert!(parse(json!({"phantom_token": null})).is_ok() && parse(json!({"bff_token": null})).is_ok());
    assert!(error(json!({"phantom_token": null, "bff_token": null})).contains("write `bff_token`"));
}

#[test]
fn every_fault_names_its_field() {
    let bff = |value| json!({"bff_token": value});
    let phantom = |value| json!({"phantom_token": value});
    for (changes, field) in [
        (bff(json!({"cookie_name_prefix": null})), "cookie_name_prefix"),
        (
            bff(json!({"cookie_name_prefix": "A b"})),
            "bff_token.cookie_name_prefix: ",
        ),
        (
            bff(json!({"encryption_key": {"env": null, "inline": "short"}})),
            "bff_token.encryption_key: ",
        ),
        (
            bff(json!({"encryption_key": {"env": "NOT_SET"}})),
            "bff_token.encryption_key: the environment variable NOT_SET",
        ),
        (
            bff(json!({"encryption_key": {"env": null, "inline": "00".repeat(32)}})),
            "bff_token.encryption_key: ",
        ),
        (
            bff(json!({"trusted_web_origins": []})),
            "bff_token.trusted_web_origins: ",
        ),
        (
            bff(json!({"trusted_web_origins": ["https://www.example.com/"]})),
            "bff_token.trusted_web_origins: ",
        ),
        (
            bff(json!({"trusted_web_origins": "https://www.example.com"})),
            "bff_token.trusted_web_origins: ",
        ),
        (bff(json!({"verify_csrf": "yes"})), "bff_token.verify_csrf: "),
        (bff(json!({"drop_cookies": [""]})), "bff_token.drop_cookies: "),
        (bff(json!({"drop_cookies": ["sso", "a b"]})), "bff_token.drop_cookies: "),
        (bff(json!({"drop_cookies": ["example-at"]})), "bff_token.drop_cookies: "),
        (
            bff(json!({"verify_csrf": false, "require_header": true})),
            "bff_token.require_header: ",
        ),
        (
            bff(json!({"cookie_hardening": "strong"})),
            "bff_token.cookie_hardening: ",
        ),
        (bff(json!({"verfy_csrf": true})), "verfy_csrf"),
        (
            phantom(json!({"introspection_endpoint": "login.example.com"})),
            "phantom_token.introspection_endpoint: ",
        ),
        (
            phantom(json!({"introspection_endpoint": "https://a:b@login.example.com/"})),
            "phantom_token.introspection_endpoint: ",
        ),
        (phantom(json!({"cluster": ""})), "phantom_token.cluster: "),
        (
            phantom(json!({"client_secret": {"env": "NOT_SET"}})),
            "phantom_token.client_secret: ",
        ),
        (
            phantom(json!({"client_secret": "a secret"})),
            "phantom_token.client_secret",
        ),
        (phantom(json!({"timeout_ms": 0})), "phantom_token.timeout_ms: "),
        (phantom(json!({"timeout_ms": -1})), "phantom_token.timeout_ms: "),
        (
            phantom(json!({"token_cache_entries": 0})),
            "phantom_token.token_cache_entries: ",
        ),
        (
            phantom(json!({"token_cache_seconds": 1e9})),
            "phantom_token.token_cache_seconds",
        ),
        (phantom(json!({"response": "xml"})), "phantom_token.response: "),
        (
            phantom(json!({"response": "claims"})),
            "phantom_token.claim_to_headers: ",
        ),
        (
            phantom(json!({"claim_to_headers": [{"header_name": "x-sub", "claim_name": "sub"}]})),
            "phantom_token.claim_to_headers: ",
        ),
        (
            phantom(
                json!({"response": "claims", "claim_to_headers": [{"header_name": "cookie", "claim_name": "sub"}]}),
            ),
            "phantom_token.claim_to_headers: invalid header `cookie`",
        ),
        (
            phantom(json!({"response": "claims", "claim_to_headers": [{"header_name": "x_sub", "claim_name": "sub"}]})),
            "phantom_token.claim_to_headers: invalid header `x_sub`",
        ),
        (
            phantom(json!({"response": "claims", "claim_to_headers": [
                {"header_name": "x-sub", "claim_name": "sub"}, {"header_name": "X-Sub", "claim_name": "username"}]})),
            "phantom_token.claim_to_headers: duplicate header",
        ),
        (
            phantom(
                json!({"response": "rfc9701", "claim_to_headers": [{"header_name": "x-sub", "claim_name": "sub"}]}),
            ),
            "phantom_token.issuer: ",
        ),
        (
            phantom(json!({"issuer": "https://login.example.com"})),
            "phantom_token.issuer: ",
        ),
        (
            phantom(json!({"response": "claims", "jwt_access_tokens": "pass",
                "claim_to_headers": [{"header_name": "x-sub", "claim_name": "sub"}]})),
            "phantom_token.jwt_access_tokens: ",
        ),
        (phantom(json!({"route_metadata": ""})), "phantom_token.route_metadata: "),
        (
            phantom(json!({"required_scopes": ["a b"]})),
            "phantom_token.required_scopes: ",
        ),
        (
            phantom(json!({"required_acr": ["gold", "a b"]})),
            "phantom_token.required_acr: invalid value `a b`",
        ),
        (
            phantom(json!({"required_acr": "gold"})),
            "phantom_token.required_acr: invalid type: write a list of strings",
        ),
        (phantom(json!({"max_auth_age": 0})), "phantom_token.max_auth_age: "),
        (
            phantom(json!({"max_auth_age": 31_536_001})),
            "phantom_token.max_auth_age: ",
        ),
        (phantom(json!({"max_auth_age": "300"})), "phantom_token.max_auth_age: "),
        // Without the token stage, nothing tells how and when the user authenticated.
        (
            json!({"phantom_token": null, "bff_token": {"max_auth_age": 300}}),
            "bff_token.max_auth_age: no effect here, since only the stage `phantom_token` checks access tokens",
        ),
        (
            json!({"phantom_token": null, "bff_token": {"required_acr": ["gold"]}}),
            "bff_token.required_acr: no effect here",
        ),
        (
            json!({"phantom_token": null, "required_acr": ["gold"]}),
            "required_acr: no effect here",
        ),
        (json!({"bff_tokens": {}}), "bff_tokens"),
    ] {
        let message = error(changes.clone());
        assert!(message.contains(field), "{changes}: {message}");
    }
}

#[test]
fn an_error_of_the_structure_says_what_to_write() {
    let bff = |value| json!({"bff_token": value});
    let phantom = |value| json!({"phantom_token": value});
    let headers = |value| json!({"phantom_token": {"response": "claims", "claim_to_headers": value}});
    let source = r#"write {"env": "THE_VARIABLE"} or {"inline": "…"}"#;
    for (changes, expected) in [
        (
            bff(json!({"cookie_name_prefix": null})),
            "bff_token.cookie_name_prefix: missing: write a string",
        ),
        (
            bff(json!({"encryption_key": null})),
            &format!("bff_token.encryption_key: missing: {source}"),
        ),
        (
            bff(json!({"trusted_web_origins": null})),
            "bff_token.trusted_web_origins: missing: write a list of strings",
        ),
        (
            bff(json!({"ended_sessions": {"poll_seconds": 5}})),
            "bff_token.ended_sessions.cluster: missing: write a string",
        ),
        (
            phantom(json!({"introspection_endpoint": null})),
            "phantom_token.introspection_endpoint: missing: write its URL, for example `https://login.example.com/oauth/v2/oauth-introspect`, or add `token_exchange`",
        ),
        (
            phantom(json!({"cluster": null})),
            "phantom_token.cluster: missing: write a string",
        ),
        (
            phantom(json!({"client_id": null})),
            "phantom_token.client_id: missing: write a string",
        ),
        (
            phantom(json!({"client_secret": null})),
            &format!("phantom_token.client_secret: missing: {source}"),
        ),
        (
            phantom(json!({"client_secret": {"env": null, "sds": {"sds_config": {}}}})),
            "phantom_token.client_secret.sds.name: missing: write a string",
        ),
        (
            headers(json!([{"header_name": "x-sub"}])),
            "phantom_token.claim_to_headers[0].claim_name: missing: write a string",
        ),
        (
            bff(json!({"verify_csrf": "yes"})),
            "bff_token.verify_csrf: invalid type: write true or false",
        ),
        (
            bff(json!({"cookie_name_prefix": 1})),
            "bff_token.cookie_name_prefix: invalid type: write a string",
        ),
        (
            bff(json!({"cookie_domain": ["example.com"]})),
            "bff_token.cookie_domain: invalid type: write a string",
        ),
        (
            bff(json!({"cookie_paths": true})),
            "bff_token.cookie_paths: invalid type: write a string",
        ),
        (
            bff(json!({"drop_cookies": "sso"})),
            "bff_token.drop_cookies: invalid type: write a list of strings",
        ),
        (
            bff(json!({"drop_cookies": ["sso", 1]})),
            "bff_token.drop_cookies[1]: invalid type: write a string",
        ),
        (
            bff(json!({"trusted_web_origins": "https://www.example.com"})),
            "bff_token.trusted_web_origins: invalid type: write a list of strings",
        ),
        (
            phantom(json!({"required_scopes": "openid"})),
            "phantom_token.required_scopes: invalid type: write a list of strings",
        ),
        (
            headers(json!({"header_name": "x-sub", "claim_name": "sub"})),
            "phantom_token.claim_to_headers: invalid type: write a list of JSON objects",
        ),
        (
            headers(json!(["x-sub"])),
            "phantom_token.claim_to_headers[0]: invalid type: write a JSON object",
        ),
        (
            json!({"bff_token": true}),
            "bff_token: invalid type: write a JSON object",
        ),
        (json!({"bff_token": []}), "bff_token: invalid type: write a JSON object"),
        (
            phantom(json!({"timeout_ms": "2000"})),
            "phantom_token.timeout_ms: invalid type: write an integer",
        ),
        (
            phantom(json!({"timeout_ms": 0.5})),
            "phantom_token.timeout_ms: invalid type: write an integer",
        ),
        (
            phantom(json!({"timeout_ms": -1})),
            "phantom_token.timeout_ms: invalid value: write a non-negative integer",
        ),
        (
            bff(json!({"cookie_hardening": "strong"})),
            "bff_token.cookie_hardening: unknown value `strong`: write one of `host`, `secure`, `none`",
        ),
        (
            bff(json!({"cookie_paths": "a, expected b"})),
            "bff_token.cookie_paths: unknown value `a, expected b`: write `narrow` or `root`",
        ),
        (
            json!({"bff_tokens": {}}),
            "bff_tokens: unknown field: write one of `bff_token`, `phantom_token`, `end_streams`, or remove it",
        ),
        (
            phantom(json!({"client_secret": {"secret": "hunter2"}})),
            &format!("phantom_token.client_secret: invalid type: {source}"),
        ),
        (
            bff(json!({"ended_sessions": {"cluster": "bff_admin", "url": "/ended-sessions"}})),
            "bff_token.ended_sessions.url: unknown field: write one of `cluster`, `path`, `poll_seconds`, or remove it",
        ),
    ] {
        assert_eq!(error(changes.clone()), expected, "{changes}");
    }
}

#[test]
fn an_error_of_the_syntax_says_what_to_write() {
    let parse = |json: &str| Config::parse(json.as_bytes(), env).unwrap_err().to_string();
    for json in [
        "",
        "{",
        "bff_token: {}",
        "{} {}",
        r#"{"bff_token": {"encryption_key": "a secret}"#,
    ] {
        let error = parse(json);
        assert!(error.starts_with("configuration: invalid JSON: "), "{json}: {error}");
        assert!(error.ends_with(": write one JSON object"), "{json}: {error}");
        assert!(!error.contains("a secret"), "{error}");
    }
    for json in ["null", "[]", "7"] {
        assert_eq!(
            parse(json),
            "configuration: invalid type: write a JSON object",
            "{json}"
        );
    }
    assert_eq!(
        parse(r#"{"bff_token": {"verify_csrf": true, "verify_csrf": true}}"#),
        "bff_token.verify_csrf: duplicate field: write it once"
    );
}

#[test]
fn what_is_not_json_is_refused() {
    for text in ["", "null", "[]", "{", "bff_token: {}"] {
        assert!(Config::parse(text.as_bytes(), env).is_err(), "{text}");
    }
    let twice = format!("{}{{}}", configuration(json!({})));
    assert!(Config::parse(twice.as_bytes(), env).is_err(), "something behind it");
}

#[test]
fn neither_errors_nor_debug_show_a_secret() {
    let inline = json!({"bff_token": {"encryption_key": {"env": null, "inline": "a-secret-that-is-no-key"}}});
    assert!(!error(inline).contains("a-secret"));
    let config = Config::parse(configuration(json!({})).to_string().as_bytes(), env).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("a secret") && !shown.contains("0001020304"), "{shown}");
}

#[test]
fn a_secret_that_is_written_in_the_wrong_form_is_not_quoted() {
    let secret = "a-secret-that-nobody-should-see";
    for (changes, field) in [
        (
            json!({"phantom_token": {"client_secret": secret}}),
            "phantom_token.client_secret: ",
        ),
        (
            json!({"phantom_token": {"client_secret": [secret]}}),
            "phantom_token.client_secret",
        ),
        (
            json!({"bff_token": {"encryption_key": secret}}),
            "bff_token.encryption_key: ",
        ),
        (
            json!({"bff_token": {"encryption_key": {"inline": [secret]}}}),
            "bff_token.encryption_key",
        ),
        (
            json!({"bff_token": {"encryption_key": {secret: ""}}}),
            "bff_token.encryption_key",
        ),
    ] {
        let error = Config::parse(configuration(changes).to_string().as_bytes(), env)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(field) && error.contains("write {\"env\""), "{error}");
        assert!(!error.contains(secret), "{error}");
    }
}
