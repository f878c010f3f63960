//! Introspection: the request, the meaning of the responses, and how long they are cached.

use bff_core::gateway::Gateway;
use bff_core::gateway::authorization_server::ServerResponse;
use bff_core::gateway::counters::Counter;
use serde_json::{Value, json};

use crate::support::*;

/// Returns the end of a request whose introspection has this response.
fn end(changes: Value, response: &ServerResponse) -> End {
    let mut gateway = gateway(changes);
    let (_, flight) = flight(&gateway.ask(1, &valid("GET", "token"), NOW)).unwrap();
    ends(&gateway.on_server_response(flight, response, NOW))
        .pop()
        .unwrap()
        .1
}

/// Returns for how many seconds the response is cached.
fn cached_for(gateway: &mut Gateway, response: &ServerResponse) -> u64 {
    let (_, id) = flight(&gateway.ask(1, &valid("GET", "token"), NOW)).unwrap();
    gateway.on_server_response(id, response, NOW);
    let hit = |gateway: &mut Gateway, now| {
        let before = gateway.counters().of(Counter::CacheHit);
        gateway.ask(2, &valid("GET", "token"), now);
        gateway.on_stream_end(2);
        gateway.counters().of(Counter::CacheHit) > before
    };
    // The cookie itself is valid for 300 s.
    (0..300).take_while(|second| hit(gateway, NOW + second)).count() as u64
}

const BAD_GATEWAY: End = End::Refused(502, None);
const UNAUTHORIZED: End = End::Refused(401, None);

#[test]
fn the_request_is_a_form_with_encoded_credentials() {
    let mut gateway = gateway(json!({"phantom_token": {"client_id": "a client"}}));
    let effects = gateway.ask(1, &valid("GET", "to+ke/n="), NOW);
    let request = introspection_request(&effects).expect("a callout");
    let header = |name: &str| {
        request
            .headers
            .iter()
            .find(|(found, _)| *found == name)
            .unwrap()
            .1
            .as_str()
    };
    assert_eq!(&*request.body, b"token_type_hint=access_token&token=to%2Bke%2Fn%3D");
    // base64 of `a%20client:a%20secret%3A%26%25`
    assert_eq!(
        header("authorization"),
        "Basic YSUyMGNsaWVudDphJTIwc2VjcmV0JTNBJTI2JTI1"
    );
    assert_eq!(header("accept"), "application/jwt");
    assert_eq!(header("accept-encoding"), "identity");
    assert_eq!(header(":authority"), "login.example.com");
    assert_eq!(header(":path"), "/oauth/v2/oauth-introspect");
    assert_eq!(
        (header(":method"), header("content-type")),
        ("POST", "application/x-www-form-urlencoded")
    );
}

#[test]
fn every_form_in_which_a_jwt_comes_is_understood() {
    let token = jwt(json!({"sub": "a"}));
    for (content_type, body) in [
        ("application/jwt", token.clone()),
        ("Application/JWT; charset=utf-8", format!("{token}\n")),
        ("application/json", json!({"active": true, "jwt": token}).to_string()),
        (
            "application/json",
            json!({"active": true, "phantom_token": token}).to_string(),
        ),
        (
            "application/json;charset=UTF-8",
            json!({"phantom_token": token}).to_string(),
        ),
    ] {
        assert_eq!(
            end(json!({}), &response(200, content_type, &[], &body)),
            End::Forwarded(format!("Bearer {token}")),
            "{content_type} {body}"
        );
    }
}

#[test]
fn inactive_is_whatever_is_not_active() {
    let token = jwt(json!({}));
    for inactive in [
        response(204, "", &[], ""),
        response(200, "application/json", &[], &json!({"active": false}).to_string()),
        response(
            200,
            "application/json",
            &[],
            &json!({"active": "true", "jwt": token}).to_string(),
        ),
        response(
            200,
            "application/json",
            &[],
            &json!({"active": 1, "jwt": token}).to_string(),
        ),
        response(
            200,
            "application/json",
            &[],
            &json!({"active": false, "jwt": token}).to_string(),
        ),
        active(json!({"exp": NOW})),
        response(
            200,
            "application/json",
            &[],
            &json!({"active": true, "jwt": token, "exp": NOW}).to_string(),
        ),
    ] {
        assert_eq!(end(json!({}), &inactive), UNAUTHORIZED);
    }
}

/// RFC 7662, section 2.2: `active` is a Boolean. A string is not, whatever it says.
#[test]
fn active_is_the_boolean_true_and_nothing_that_looks_like_it() {
    let token = jwt(json!({}));
    let looks_like = [
        json!("true"),
        json!("false"),
        json!("TRUE"),
        json!(""),
        json!(1),
        json!(0),
        json!(null),
        json!([true]),
        json!({"value": true}),
        json!(false),
    ];
    for active in looks_like {
        for body in [
            json!({"active": active, "jwt": token}),
            json!({"active": active, "phantom_token": token}),
            json!({"active": active, "sub": "alice", "exp": NOW + 300}),
        ] {
            let response = response(200, "application/json", &[], &body.to_string());
            let headers = json!([{"header_name": "x-sub", "claim_name": "sub"}]);
            let claims = json!({"phantom_token": {"response": "claims", "claim_to_headers": headers}});
            for changes in [json!({}), claims] {
                assert_eq!(end(changes, &response), UNAUTHORIZED, "{body}");
            }
        }
    }
}

#[test]
fn nonsense_is_never_forwarded() {
    let token = jwt(json!({}));
    let introspection_jwt = format!(
        "{}.e30.c2ln",
        bff_core::encoding::base64url::encode(br#"{"alg":"RS256","typ":"token-introspection+jwt"}"#)
    );
    let mut responses = vec![
        ServerResponse::Failed,
        ServerResponse::Http {
            status: 200,
            content_type: b"application/jwt".to_vec(),
            cache_control: Vec::new(),
            body: None,
        },
        response(200, "text/html", &[], &token),
        response(200, "", &[], &token),
        response(200, "application/jwt", &[], "<html>"),
        response(200, "application/jwt", &[], ""),
        response(200, "application/jwt", &[], &format!("{token}\r\nx: y")),
        response(200, "application/jwt", &[], &introspection_jwt),
        response(200, "application/token-introspection+jwt", &[], &token),
        response(200, "application/json", &[], &token),
        response(200, "application/json", &[], "{}"),
        response(200, "application/json", &[], r#"{"active":true}"#),
        response(200, "application/json", &[], r#"{"active":true,"jwt":5}"#),
        response(200, "application/json", &[], r#"{"active":true,"jwt":"a.b"}"#),
        active(json!({"exp": "tomorrow"})),
    ];
    for status in [0, 100, 201, 301, 302, 400, 401, 403, 404, 429, 500, 502, 503] {
        responses.push(response(status, "application/jwt", &[], &token));
    }
    for response in responses {
        assert_eq!(end(json!({}), &response), BAD_GATEWAY);
    }
    assert_eq!(
        end(json!({}), &response(504, "text/plain", &[], "")),
        End::Refused(504, None)
    );
}

#[test]
fn an_answer_is_kept_as_long_as_the_shortest_of_its_bounds() {
    let long = json!({"exp": NOW + 10_000});
    let cached = |cache: &[&str], claims: Value, changes: Value| {
        cached_for(
            &mut gateway(changes),
            &response(200, "application/jwt", cache, &jwt(claims)),
        )
    };
    assert_eq!(cached(&[], json!({"exp": NOW + 20}), json!({})), 20);
    assert_eq!(cached(&["private, max-age=30"], long.clone(), json!({})), 30);
    assert_eq!(cached(&["max-age=60", "MAX-AGE=\"40\""], long.clone(), json!({})), 40);
    assert_eq!(
        cached(&[], long.clone(), json!({"phantom_token": {"token_cache_seconds": 50}})),
        50
    );
    for none in [
        "no-store",
        "private, No-Store",
        "no-cache",
        "max-age=0",
        "max-age=soon",
        "max-age=-1",
    ] {
        assert_eq!(cached(&[none], long.clone(), json!({})), 0, "{none}");
    }
    assert_eq!(
        cached(&[], long.clone(), json!({"phantom_token": {"token_cache_seconds": 0}})),
        0
    );
    let ignoring = json!({"phantom_token": {"ignore_cache_control": true, "token_cache_seconds": 50}});
    for ignored in ["no-store", "no-cache", "max-age=10"] {
        assert_eq!(cached(&[ignored], long.clone(), ignoring.clone()), 50, "{ignored}");
        assert_eq!(
            cached(&[ignored], json!({"exp": NOW + 20}), ignoring.clone()),
            20,
            "{ignored}"
        );
    }
    let json_exp = json!({"active": true, "jwt": jwt(json!({})), "exp": NOW + 25}).to_string();
    assert_eq!(
        cached_for(
            &mut gateway(json!({})),
            &response(200, "application/json", &[], &json_exp)
        ),
        25
    );
}

#[test]
fn an_inactive_answer_is_kept_briefly_and_a_failure_not_at_all() {
    assert_eq!(cached_for(&mut gateway(json!({})), &response(204, "", &[], "")), 5);
    for failure in [
        ServerResponse::Failed,
        response(500, "", &[], ""),
        response(504, "", &[], ""),
        response(200, "text/html", &[], ""),
    ] {
        assert_eq!(cached_for(&mut gateway(json!({})), &failure), 0);
    }
}

#[test]
fn scope_and_audience_are_required_of_kept_answers_too() {
    let strict = json!({"phantom_token": {"required_scopes": ["data"], "required_audience": "api"}});
    for (claims, expected) in [
        (json!({"scope": "data", "aud": "api", "exp": NOW + 100}), 0),
        (json!({"scope": "other", "aud": "api", "exp": NOW + 100}), 403),
        (json!({"scope": "data", "aud": "other", "exp": NOW + 100}), 401),
        (json!({"exp": NOW + 100}), 401),
    ] {
        let mut gateway = gateway(strict.clone());
        let (_, flight) = flight(&gateway.ask(1, &valid("GET", "token"), NOW)).unwrap();
        let fresh = ends(&gateway.on_server_response(flight, &active(claims.clone()), NOW))
            .pop()
            .unwrap()
            .1;
        let hit = ends(&gateway.ask(2, &valid("GET", "token"), NOW)).pop().unwrap().1;
        assert_eq!(fresh, hit, "{claims}");
        match fresh {
            End::Forwarded(_) => assert_eq!(expected, 0),
            End::Refused(status, _) => assert_eq!(status, expected, "{claims}"),
        }
    }
}

#[test]
fn an_expired_cookie_is_refused_although_its_token_is_known() {
    let mut gateway = gateway(json!({}));
    assert_eq!(cached_for(&mut gateway, &active(json!({"exp": NOW + 10_000}))), 300);
    assert_eq!(
        ends(&gateway.ask(3, &valid("GET", "token"), NOW + 300))
            .pop()
            .unwrap()
            .1,
        UNAUTHORIZED
    );
}
