//! Claims that the API receives as headers instead of a token.

use bff_core::encoding::base64url;
use bff_core::gateway::authorization_server::ServerResponse;
use bff_core::gateway::effect::{Decision, Effect, Forward};
use serde_json::{Value, json};

use crate::support::*;

fn claims_mode() -> Value {
    json!({"phantom_token": {"response": "claims", "claim_to_headers": [
        {"header_name": "X-User-Sub", "claim_name": "sub"},
        {"header_name": "x-user-groups", "claim_name": "groups"},
    ]}})
}

/// Returns the headers that the filter sets and removes, or the status with which it refuses.
fn upstream(changes: Value, lines: &[(&str, &str)], response: &ServerResponse) -> Result<Vec<(String, String)>, u16> {
    let mut gateway = gateway(changes);
    let lines: Vec<(&str, &str)> = lines.to_vec();
    let cookie = at("token");
    let head = head("GET", &[&lines[..], &[("cookie", &cookie)]].concat());
    let (_, id) = flight(&gateway.ask(1, &head, NOW)).unwrap();
    let Some(Effect::Decide { decision, .. }) = gateway.on_server_response(id, response, NOW).into_iter().next() else {
        panic!("no decision");
    };
    match decision {
        Decision::Forward(Forward { mutations, .. }) => {
            let set = mutations
                .headers_to_set()
                .map(|(name, value)| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
            let removed = mutations
                .remove
                .iter()
                .map(|name| (name.to_string(), "removed".to_owned()));
            let mut all: Vec<_> = set.chain(removed).collect();
            all.sort();
            Ok(all)
        }
        Decision::Reject(rejection) => Err(rejection.code.status()),
    }
}

#[test]
fn claims_become_headers_and_nobody_else_can_write_them() {
    let body = json!({"active": true, "sub": "alice", "groups": ["a", "b"], "exp": NOW + 100});
    let spoofed = [
        ("x-user-sub", "mallory"),
        ("x_user_sub", "mallory"),
        ("x-user_groups", "admin"),
        ("x.user.sub", "mallory"),
        ("x~user.sub", "mallory"),
        ("authorization", "Bearer mine"),
    ];
    let lines = upstream(
        claims_mode(),
        &spoofed,
        &response(200, "application/json", &[], &body.to_string()),
    )
    .unwrap();
    let expected = [
        ("authorization", "removed"),
        ("cookie", "removed"),
        ("x-user-groups", "[\"a\",\"b\"]"),
        ("x-user-sub", "alice"),
        ("x-user-sub", "removed"),
        ("x-user_groups", "removed"),
        ("x.user.sub", "removed"),
        ("x_user_sub", "removed"),
        ("x~user.sub", "removed"),
    ];
    assert_eq!(lines, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    // If the server does not send a claim, the client's header does not replace it.
    let without = json!({"active": true, "exp": NOW + 100});
    let lines = upstream(
        claims_mode(),
        &spoofed,
        &response(200, "application/json", &[], &without.to_string()),
    )
    .unwrap();
    assert!(lines.iter().all(|(_, value)| value == "removed"), "{lines:?}");
}

#[test]
fn a_claim_that_is_required_and_missing_makes_the_answer_unusable() {
    let mut changes = claims_mode();
    changes["phantom_token"]["claim_to_headers"][0]["required"] = json!(true);
    let send = |body: Value| {
        upstream(
            changes.clone(),
            &[],
            &response(200, "application/json", &[], &body.to_string()),
        )
    };
    assert!(send(json!({"active": true, "sub": "alice"})).is_ok());
    assert!(
        send(json!({"active": true, "sub": ""})).is_ok(),
        "what there is is the server's to say"
    );
    assert_eq!(send(json!({"active": true, "groups": ["a"]})), Err(502));
    assert_eq!(send(json!({"active": true, "sub": null})), Err(502));
    assert_eq!(send(json!({"active": false})), Err(401));
}

#[test]
fn claims_that_cannot_stand_in_a_header_and_answers_of_other_forms_are_not_used() {
    let send = |body: Value| {
        upstream(
            claims_mode(),
            &[],
            &response(200, "application/json", &[], &body.to_string()),
        )
    };
    assert_eq!(send(json!({"active": true, "sub": "a\r\nx-admin: 1"})), Err(502));
    assert_eq!(send(json!({"active": true, "sub": "a\u{0}"})), Err(502));
    assert_eq!(send(json!({"active": false, "sub": "alice"})), Err(401));
    assert_eq!(send(json!({"sub": "alice"})), Err(502));
    let token = jwt(json!({"sub": "alice"}));
    assert_eq!(
        upstream(claims_mode(), &[], &response(200, "application/jwt", &[], &token)),
        Err(502)
    );
}

#[test]
fn in_claims_mode_a_jwt_is_introspected_like_any_other_token() {
    let mut changes = claims_mode();
    changes["bff_token"] = Value::Null;
    let token = jwt(json!({"exp": NOW + 100}));
    assert!(is_admitted(&mut gateway(changes), &bearer(&token)));
}

fn signed(typ: &str, claims: &Value) -> ServerResponse {
    let header = json!({"alg": "RS256", "typ": typ});
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let token = format!("{}.{}.c2ln", part(&header), part(claims));
    response(200, "application/token-introspection+jwt", &[], &token)
}

/// RFC 9701, section 5.
#[test]
fn a_signed_introspection_response_is_for_us_from_the_issuer_and_becomes_headers() {
    let changes = json!({"phantom_token": {"response": "rfc9701", "issuer": "https://login.example.com",
        "claim_to_headers": [{"header_name": "x-user-sub", "claim_name": "sub"}]}});
    let valid = json!({"iss": "https://login.example.com", "aud": "api-gateway-client", "iat": NOW,
        "token_introspection": {"active": true, "sub": "alice", "exp": NOW + 100}});
    let send = |typ: &str, change: (&str, Value)| {
        let mut claims = valid.clone();
        claims[change.0] = change.1;
        upstream(changes.clone(), &[], &signed(typ, &claims)).map(|lines| lines.len())
    };
    const TYP: &str = "token-introspection+jwt";
    assert_eq!(send(TYP, ("iat", json!(NOW))), Ok(3));
    assert_eq!(send("JWT", ("iat", json!(NOW))), Err(502));
    assert_eq!(send(TYP, ("iss", json!("https://evil.example"))), Err(502));
    assert_eq!(send(TYP, ("aud", json!("another-client"))), Err(502));
    assert_eq!(send(TYP, ("exp", json!(NOW))), Err(502));
    assert_eq!(send(TYP, ("token_introspection", json!("x"))), Err(502));
    assert_eq!(send(TYP, ("token_introspection", json!({"active": false}))), Err(401));
    assert_eq!(send(TYP, ("token_introspection", json!({"sub": "alice"}))), Err(502));
    // An introspection response is not an access token: in the other response formats it is not forwarded.
    let token = match signed(TYP, &valid) {
        ServerResponse::Http { body, .. } => String::from_utf8(body.unwrap()).unwrap(),
        ServerResponse::Failed => panic!(),
    };
    let as_token = response(200, "application/jwt", &[], &token);
    assert_eq!(upstream(json!({}), &[], &as_token), Err(502));
}
