//! Back-channel logout: the accepted logout tokens.

use serde_json::{Value, json};

use crate::ended_sessions::{SID, backchannel, is_ended, with_sid};
use crate::support::app::{ID, Setup, TestApp, wait_until};
use crate::support::authorization_server::{FakeAuthorizationServer, Misbehaviour};
use crate::support::http::Request;

#[test]
fn an_unacceptable_logout_token_is_refused_with_400_and_ends_nothing() {
    let app = with_sid();
    let mut browser = app.signed_in();
    let server = &app.authorization_server;
    let event = "http://schemas.openid.net/event/backchannel-logout";
    for changes in [
        json!({"iss": "https://other.example.test", "sid": SID}),
        json!({"aud": "another-client", "sid": SID}),
        json!({"aud": ["spa-client", "another-client"], "sid": SID}),
        json!({"iat": null, "sid": SID}),
        json!({"iat": 1_000_000, "sid": SID}),
        json!({"exp": 1_000_000, "sid": SID}),
        json!({"jti": null, "sid": SID}),
        json!({"events": null, "sid": SID}),
        json!({"events": {"other": {}}, "sid": SID}),
        json!({"events": {event: "x"}, "sid": SID}),
        json!({"nonce": "n", "sid": SID}),
        json!({}),
    ] {
        let response = backchannel(&app, &server.logout_token(changes.clone()));
        assert_eq!(response.outcome(), "400 invalid_request", "{changes}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{changes}");
    }
    let valid = server.logout_token(json!({"sid": SID}));
    let claims: Value = serde_json::from_slice(&decoded(valid.split('.').nth(1).unwrap())).unwrap();
    for header in [
        json!({"alg": "none", "typ": "logout+jwt"}),
        json!({"alg": "HS256", "typ": "logout+jwt"}),
        json!({"alg": "ES256", "typ": "logout+jwt", "kid": "unknown"}),
        json!({"alg": "ES256", "typ": "at+jwt", "kid": "signing-key-1"}),
        json!({"alg": "ES256", "typ": "logout+jwt", "kid": "signing-key-1", "crit": ["x"]}),
    ] {
        let response = backchannel(&app, &server.sign(&header, &claims));
        assert_eq!(response.outcome(), "400 invalid_request", "{header}");
    }
    let (signed, _) = valid.rsplit_once('.').unwrap();
    for token in [format!("{signed}."), signed.to_owned(), "x".to_owned(), String::new()] {
        assert_eq!(backchannel(&app, &token).outcome(), "400 invalid_request", "{token}");
    }
    assert!(!is_ended(&mut browser));
    assert_eq!(backchannel(&app, &valid).status, 200, "it was valid all the time");
    assert!(is_ended(&mut browser));
}

fn decoded(part: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()
}

#[test]
fn a_logout_token_of_a_draft_without_exp_ends_the_session() {
    let app = with_sid();
    let mut browser = app.signed_in();
    let token = app.authorization_server.logout_token(json!({"sid": SID, "exp": null}));
    assert_eq!(backchannel(&app, &token).status, 200);
    assert!(is_ended(&mut browser));
}

#[test]
fn a_logout_token_for_this_client_and_a_trusted_audience_ends_the_session() {
    let app = TestApp::start_with(Setup {
        client: "trusted_audiences = ['the-api']",
        ..Setup::default()
    });
    let mut browser = app.signed_in();
    let token = |audience: Value| {
        app.authorization_server
            .logout_token(json!({"sub": "alice", "aud": audience}))
    };
    let untrusted = backchannel(&app, &token(json!(["spa-client", "the-api", "another-client"])));
    assert_eq!(untrusted.outcome(), "400 invalid_request");
    assert!(!is_ended(&mut browser));
    assert_eq!(backchannel(&app, &token(json!(["spa-client", "the-api"]))).status, 200);
    assert!(is_ended(&mut browser));
}

#[test]
fn a_logout_token_that_cannot_be_verified_for_want_of_keys_is_answered_400_and_not_used_up() {
    let server = FakeAuthorizationServer::start();
    server.misbehave("jwks", Misbehaviour::Respond(500, String::new()));
    let app = TestApp::start_against(server, Setup::default());
    let token = app.authorization_server.logout_token(json!({"sid": SID}));
    let response = backchannel(&app, &token);
    assert_eq!(response.outcome(), "400 invalid_request");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    app.authorization_server.behave();
    wait_until("the keys are there", || backchannel(&app, &token).status == 200);
}

#[test]
fn an_id_token_is_no_logout_token() {
    let app = with_sid();
    let mut browser = app.signed_in();
    let opened = crate::support::forgery::open(bff_core::cookie::purpose::Purpose::IdToken, browser.cookie(ID));
    let id_token = String::from_utf8(opened.value.to_vec()).unwrap();
    assert_eq!(backchannel(&app, &id_token).outcome(), "400 invalid_request");
    assert!(!is_ended(&mut browser));
}

#[test]
fn a_logout_token_is_good_for_one_use() {
    let app = with_sid();
    let token = app.authorization_server.logout_token(json!({"sid": SID}));
    assert_eq!(backchannel(&app, &token).status, 200);
    assert_eq!(backchannel(&app, &token).outcome(), "400 invalid_request");
}

#[test]
fn a_logout_token_that_is_missing_repeated_or_not_in_a_form_is_refused() {
    let app = with_sid();
    let token = app.authorization_server.logout_token(json!({"sid": SID}));
    let post = || Request::new("POST", "/bff/backchannel-logout");
    for (request, outcome) in [
        (post(), "400 invalid_request"),
        (post().form(&[]), "400 invalid_request"),
        (post().form(&[("token", &token)]), "400 invalid_request"),
        (
            post().form(&[("logout_token", &token), ("logout_token", &token)]),
            "400 invalid_request",
        ),
        (post().json(&json!({"logout_token": token})), "415 invalid_request"),
        (post().body(format!("logout_token={token}")), "415 invalid_request"),
        (
            Request::new("GET", &format!("/bff/backchannel-logout?logout_token={token}")),
            "405 method_not_allowed",
        ),
        (
            post()
                .form(&[("logout_token", &token)])
                .header("origin", "https://evil.example"),
            "401 unauthorized_request",
        ),
    ] {
        assert_eq!(request.send(app.address).outcome(), outcome);
    }
    assert_eq!(backchannel(&app, &token).status, 200, "none of these used it up");
}

#[test]
fn a_flood_of_logout_tokens_with_unknown_keys_does_not_become_a_flood_of_key_requests() {
    let app = with_sid();
    app.signed_in();
    let before = app.authorization_server.requests("jwks");
    for number in 0..30 {
        let header = json!({"alg": "ES256", "typ": "logout+jwt", "kid": format!("made-up-{number}")});
        let token = app.authorization_server.sign(&header, &json!({"sid": SID}));
        assert_eq!(backchannel(&app, &token).outcome(), "400 invalid_request");
    }
    assert!(app.authorization_server.requests("jwks") - before <= 1);
}
