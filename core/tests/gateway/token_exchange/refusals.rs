//! Exchanges that are refused, and responses that are of no use.

use bff_core::gateway::authorization_server::ServerResponse;
use bff_core::gateway::counters::Counter;
use serde_json::{Value, json};

use super::*;

#[test]
fn an_error_says_whose_it_is_the_tokens_its_permissions_or_ours() {
    // Status, error, what the request gets without introspection, and after it.
    for (status, error, alone_status, after_status) in [
        (400, "invalid_grant", 401, 401),
        (400, "invalid_token", 401, 401),
        (401, "invalid_grant", 401, 401),
        // Of an invalid token (RFC 8693, section 2.2.2), unless introspection has just called it active.
        (400, "invalid_request", 401, 502),
        (400, "invalid_target", 403, 403),
        (400, "invalid_scope", 403, 403),
        (403, "access_denied", 403, 403),
        (400, "invalid_client", 502, 502),
        (401, "invalid_client", 502, 502),
        (401, "unauthorized_client", 502, 502),
        (400, "unauthorized_client", 502, 502),
        (400, "unsupported_grant_type", 502, 502),
        (400, "something_else", 502, 502),
        (403, "something_else", 502, 502),
        (429, "slow_down", 502, 502),
        (500, "server_error", 502, 502),
        (503, "temporarily_unavailable", 502, 502),
        (504, "", 504, 504),
    ] {
        let refused = oauth_error(status, error);
        let mut gateway = alone(json!({}), json!({}));
        let effects = exchange(&mut gateway, "opaque", &refused);
        assert_eq!(rejection(&effects).0, alone_status, "{status} {error}");
        let failed = gateway.counters().of(Counter::ExchangeFailed);
        assert_eq!(failed, u64::from(alone_status > 500), "{status} {error}");
        if alone_status < 500 {
            let again = gateway.ask(2, &of_session("opaque"), NOW + 4);
            assert_eq!(rejection(&again).0, alone_status, "asked again at once");
        }
        callout(&gateway.ask(3, &of_session("opaque"), NOW + 5));

        let mut gateway = after_introspection(json!({}), json!({}));
        let effects = introspect_and_exchange(&mut gateway, json!({}), &refused);
        assert_eq!(rejection(&effects).0, after_status, "{status} {error}");
        assert_eq!(gateway.counters().of(Counter::IntrospectionFailed), 0);
    }
    let mut gateway = alone(json!({}), json!({}));
    assert_eq!(
        rejection(&exchange(&mut gateway, "opaque", &ServerResponse::Failed)).0,
        502
    );
}

#[test]
fn a_refused_target_is_told_as_insufficient_and_not_as_an_invalid_token() {
    let mut gateway = after_introspection(json!({}), json!({}));
    let refused = introspect_and_exchange(&mut gateway, json!({}), &oauth_error(400, "invalid_target"));
    let challenge = "Bearer realm=\"api\", error=\"insufficient_scope\"".to_owned();
    assert_eq!(ends(&refused), [(1, End::Refused(403, Some(challenge)))]);
    assert_eq!(gateway.counters().of(Counter::SessionTokenInactive), 0);

    let mut gateway = alone(json!({}), json!({}));
    let refused = exchange(&mut gateway, "session", &oauth_error(403, "access_denied"));
    assert_eq!(ends(&refused), [(1, End::Refused(403, None))]);
    assert_eq!(
        gateway.counters().of(Counter::SessionTokenInactive),
        0,
        "it is not inactive"
    );
}

#[test]
fn what_is_not_a_token_for_the_api_is_not_forwarded() {
    let token = jwt(json!({"aud": "orders"}));
    let usable = json!({"access_token": token, "token_type": "Bearer"});
    let with = |changes: Value| {
        let mut members = usable.clone();
        merge(&mut members, changes);
        members
    };
    for members in [
        usable.clone(),
        with(json!({"token_type": "bearer"})),
        with(json!({"issued_token_type": "urn:ietf:params:oauth:token-type:jwt"})),
        with(json!({"refresh_token": "not for us", "id_token": "nor this"})),
    ] {
        let effects = exchange(&mut alone(json!({}), json!({})), "opaque", &answer(&members));
        assert_eq!(ends(&effects), [(1, forwarded(&token))], "{members}");
    }
    for members in [
        json!([]),
        with(json!({"access_token": null})),
        with(json!({"access_token": ""})),
        with(json!({"access_token": 5})),
        with(json!({"access_token": "two words"})),
        with(json!({"access_token": "line\r\nx-admin: 1"})),
        with(json!({"access_token": "t".repeat(16 * 1024 + 1)})),
        with(json!({"token_type": null})),
        with(json!({"token_type": "DPoP"})),
        with(json!({"token_type": "N_A"})),
        with(json!({"token_type": ["Bearer"]})),
        with(json!({"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"})),
        with(json!({"issued_token_type": "urn:ietf:params:oauth:token-type:id_token"})),
        with(json!({"issued_token_type": 5})),
        with(json!({"access_token": jwt(json!({"exp": "tomorrow"}))})),
        with(json!({"expires_in": "soon"})),
        with(json!({"expires_in": -1})),
        with(json!({"expires_in": {"seconds": 60}})),
        json!({"active": true}),
    ] {
        let effects = exchange(&mut alone(json!({}), json!({})), "opaque", &answer(&members));
        assert_eq!(rejection(&effects).0, 502, "{members}");
    }
    let html = response(200, "text/html", &[], &usable.to_string());
    assert_eq!(
        rejection(&exchange(&mut alone(json!({}), json!({})), "opaque", &html)).0,
        502
    );
    let asks_for_jwt = || alone(json!({"requested_token_type": "jwt"}), json!({}));
    let untyped = answer(&with(json!({"token_type": "N_A"})));
    assert_eq!(
        ends(&exchange(&mut asks_for_jwt(), "opaque", &untyped)),
        [(1, forwarded(&token))]
    );
    let opaque = answer(&with(json!({"access_token": "opaque-too"})));
    assert_eq!(rejection(&exchange(&mut asks_for_jwt(), "opaque", &opaque)).0, 502);
    assert_eq!(
        ends(&exchange(&mut alone(json!({}), json!({})), "opaque", &opaque)),
        [(1, forwarded("opaque-too"))]
    );
}

#[test]
fn an_expired_token_is_of_no_use_whoever_says_so() {
    for expired in [
        answer(&json!({"access_token": jwt(json!({"exp": NOW})), "token_type": "Bearer"})),
        answer(&json!({"access_token": jwt(json!({"exp": NOW - 9})), "token_type": "Bearer", "expires_in": 300})),
    ] {
        let mut gateway = alone(json!({}), json!({}));
        assert_eq!(rejection(&exchange(&mut gateway, "opaque", &expired)).0, 401);
        assert_eq!(gateway.counters().of(Counter::ClocksDiffer), 1);
    }
}
