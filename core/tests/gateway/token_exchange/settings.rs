//! Settings of the token exchange that contradict each other or cannot be meant.

use bff_core::gateway::config::Config;
use serde_json::{Value, json};

use super::*;

fn parse(exchange: Value, stage: Value) -> Result<Config, String> {
    let mut settings = configuration(json!({"phantom_token": {"token_exchange": exchange_for("orders")}}));
    merge(&mut settings, json!({"phantom_token": {"token_exchange": exchange}}));
    merge(&mut settings, json!({ "phantom_token": stage }));
    Config::parse(settings.to_string().as_bytes(), env).map_err(|error| error.to_string())
}

#[test]
fn an_exchange_needs_a_target_and_stands_instead_of_introspection_or_after_it() {
    for (exchange, stage) in [
        (json!({}), json!({})),
        (json!({}), json!({"introspection_endpoint": null})),
        (
            json!({"audience": null, "resource": "https://api.example.com/orders?v=1"}),
            json!({}),
        ),
        (json!({"audience": null, "resource": "urn:example:orders"}), json!({})),
        (json!({"audience": null, "scopes": ["orders"]}), json!({})),
        (json!({"requested_token_type": "unspecified"}), json!({})),
        (
            json!({"subject_audience": "gateway", "subject_scopes": ["orders"]}),
            json!({}),
        ),
        (json!({}), json!({"jwt_access_tokens": "introspect"})),
        (json!({}), json!({"response": "auto"})),
    ] {
        parse(exchange.clone(), stage.clone()).unwrap_or_else(|error| panic!("{exchange} {stage}: {error}"));
    }
}

#[test]
fn an_error_names_the_field_and_says_what_to_write_instead() {
    for (exchange, stage, field, what) in [
        (
            json!({"audience": null}),
            json!({}),
            "token_exchange.audience",
            "missing: write the name of the API",
        ),
        (
            json!({"audience": ""}),
            json!({}),
            "token_exchange.audience",
            "empty: write the name of the API",
        ),
        (
            json!({"token_endpoint": null}),
            json!({}),
            "token_exchange.token_endpoint",
            "missing: write a string",
        ),
        (
            json!({"token_endpoint": "/token"}),
            json!({}),
            "token_exchange.token_endpoint",
            "invalid URL: write",
        ),
        (
            json!({"token_endpoint": "https://l/t#x"}),
            json!({}),
            "token_exchange.token_endpoint",
            "invalid URL: write",
        ),
        (
            json!({"resource": "orders"}),
            json!({}),
            "token_exchange.resource",
            "invalid URI: write",
        ),
        (
            json!({"resource": "https://a/b#c"}),
            json!({}),
            "token_exchange.resource",
            "invalid URI: write",
        ),
        (
            json!({"resource": "https:"}),
            json!({}),
            "token_exchange.resource",
            "invalid URI: write",
        ),
        (
            json!({"resource": "1https://a"}),
            json!({}),
            "token_exchange.resource",
            "invalid URI: write",
        ),
        (
            json!({"resource": "https://a b"}),
            json!({}),
            "token_exchange.resource",
            "invalid URI: write",
        ),
        (
            json!({"scopes": ["a b"]}),
            json!({}),
            "token_exchange.scopes",
            "invalid scope `a b`: write one scope",
        ),
        (
            json!({"scopes": [""]}),
            json!({}),
            "token_exchange.scopes",
            "invalid scope ``: write one scope",
        ),
        (
            json!({"subject_scopes": ["a b"]}),
            json!({}),
            "token_exchange.subject_scopes",
            "invalid scope `a b`",
        ),
        (
            json!({"requested_token_type": "id_token"}),
            json!({}),
            "token_exchange.requested_token_type",
            "unknown value",
        ),
        (
            json!({"actor_token": "x"}),
            json!({}),
            "token_exchange.actor_token",
            "unknown field",
        ),
        (
            json!({"subject_audience": ""}),
            json!({}),
            "token_exchange.subject_audience",
            "empty: write the audience",
        ),
        (
            json!({"token_endpoint": "http://login.example.com/token"}),
            json!({}),
            "token_exchange.token_endpoint",
            "the scheme is not that of `introspection_endpoint`",
        ),
        (
            json!({}),
            json!({"introspection_endpoint": null, "ignore_cache_control": true}),
            "ignore_cache_control",
            "has no effect without `introspection_endpoint`",
        ),
        (
            json!({"subject_audience": "gateway"}),
            json!({"introspection_endpoint": null}),
            "token_exchange.subject_audience",
            "needs introspection",
        ),
        (
            json!({"subject_scopes": ["orders"]}),
            json!({"introspection_endpoint": null}),
            "token_exchange.subject_scopes",
            "needs introspection",
        ),
        (
            json!({}),
            json!({"jwt_access_tokens": "pass"}),
            "jwt_access_tokens",
            "`pass` forwards a JWT without token exchange",
        ),
        (
            json!({}),
            json!({"response": "rfc9701"}),
            "response",
            "has no effect with `token_exchange`",
        ),
        (
            json!({}),
            json!({"issuer": "https://login.example.com"}),
            "issuer",
            "has no effect with `token_exchange`",
        ),
        (
            json!({}),
            json!({"claim_to_headers": [{"header_name": "x-sub", "claim_name": "sub"}]}),
            "claim_to_headers",
            "has no effect with `token_exchange`",
        ),
    ] {
        let error = parse(exchange.clone(), stage.clone()).expect_err(&format!("{exchange} {stage}"));
        assert!(error.starts_with(&format!("phantom_token.{field}: {what}")), "{error}");
    }
}

#[test]
fn whoever_accepts_bearer_tokens_says_which_are_exchanged() {
    let with = |cookies: Value, exchange: Value| {
        let mut settings = configuration(json!({"phantom_token": {"token_exchange": exchange_for("orders")}}));
        merge(&mut settings, json!({ "bff_token": cookies }));
        merge(&mut settings, json!({"phantom_token": {"token_exchange": exchange}}));
        Config::parse(settings.to_string().as_bytes(), env).map_err(|error| error.to_string())
    };
    for accepts_bearer in [Value::Null, json!({"allow_tokens": true})] {
        let error = with(accepts_bearer.clone(), json!({})).expect_err("any token would be exchanged");
        assert!(
            error.starts_with("phantom_token.token_exchange.subject_audience: missing: at an entry point"),
            "{error}"
        );
        for said in [
            json!({"subject_audience": "gateway"}),
            json!({"subject_scopes": ["orders"]}),
        ] {
            with(accepts_bearer.clone(), said).unwrap();
        }
    }
    with(json!({}), json!({})).unwrap();
}
