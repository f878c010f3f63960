//! What differs by entry point and by route: claims in headers, requirements of the route, tokens that are bound.

use bff_core::encoding::base64url;
use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::RequestAttributes;
use bff_core::gateway::effect::{Decision, Effect, Forward, ResponseContext};
use bff_core::gateway::error_code::ErrorCode;
use bff_core::gateway::introspection::IntrospectionResponse;
use bff_core::request::head::RequestHead;
use serde_json::{Value, json};

use crate::support::*;

/// A connection with a certificate, on a route with metadata.
struct Around {
    certificate: Option<[u8; 32]>,
    scopes: Option<&'static str>,
    audience: Option<&'static str>,
}

const NOWHERE: Around = Around {
    certificate: None,
    scopes: None,
    audience: None,
};

impl RequestAttributes for Around {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        self.certificate
    }

    fn route_metadata(&self, namespace: &str, name: &str) -> Option<Vec<u8>> {
        assert_eq!(namespace, "bff_filter");
        let text = match name {
            "required_scopes" => self.scopes,
            "required_audience" => self.audience,
            _ => None,
        };
        text.map(|text| text.as_bytes().to_vec())
    }
}

fn asked(gate: &mut Gateway, stream: u32, head: &RequestHead, around: &Around) -> Vec<Effect> {
    Vec::from_iter(gate.on_request(stream, head, around, NOW))
}

/// The first request with a token, its introspection answered like this; then a second one, of which the answer is kept.
fn both(gate: &mut Gateway, head: &RequestHead, around: &Around, answer: &IntrospectionResponse) -> (End, End) {
    let mut effects = asked(gate, 1, head, around);
    if let Some((_, id)) = flight(&effects) {
        effects = gate.on_introspection(id, answer, NOW);
    }
    let first = ends(&effects).pop().unwrap().1;
    // By now the token is known, and by a third time the cookie's worth as well.
    asked(gate, 2, head, around);
    let second = ends(&asked(gate, 3, head, around)).pop().unwrap().1;
    (first, second)
}

fn bearer(token: &str) -> RequestHead {
    head("GET", &[("authorization", &format!("Bearer {token}"))])
}

fn bound_to(certificate: u8) -> Value {
    json!({"exp": NOW + 100, "cnf": {"x5t#S256": base64url::encode(&[certificate; 32])}})
}

#[test]
fn a_bound_token_is_good_with_its_certificate_alone_on_first_sight_and_later() {
    for required in [false, true] {
        let changes = json!({"bff_token": null, "phantom_token": {"require_certificate_binding": required}});
        let with = |certificate: Option<u8>, claims: Value| {
            let around = Around {
                certificate: certificate.map(|byte| [byte; 32]),
                ..NOWHERE
            };
            let (first, second) = both(&mut gate(changes.clone()), &bearer("token"), &around, &active(claims));
            assert_eq!(first, second);
            matches!(first, End::Forwarded(_))
        };
        assert!(with(Some(5), bound_to(5)));
        assert!(!with(Some(6), bound_to(5)) && !with(None, bound_to(5)));
        let free = json!({"exp": NOW + 100});
        assert_eq!(with(Some(5), free.clone()), !required);
        assert_eq!(with(None, free), !required);
    }
}

#[test]
fn a_token_that_one_client_has_bound_serves_no_other_although_the_answer_is_kept() {
    let mut gate = gate(json!({"bff_token": null}));
    let owner = Around {
        certificate: Some([5; 32]),
        ..NOWHERE
    };
    let (first, _) = both(&mut gate, &bearer("token"), &owner, &active(bound_to(5)));
    assert!(matches!(first, End::Forwarded(_)));
    let thief = Around {
        certificate: Some([6; 32]),
        ..NOWHERE
    };
    let stolen = ends(&asked(&mut gate, 9, &bearer("token"), &thief)).pop().unwrap().1;
    assert_eq!(
        stolen,
        End::Refused(401, Some("Bearer realm=\"api\", error=\"invalid_token\"".to_owned()))
    );
}

#[test]
fn requests_that_wait_together_are_judged_each_by_its_own_certificate() {
    let mut gate = gate(json!({"bff_token": null}));
    let with = |byte: u8| Around {
        certificate: Some([byte; 32]),
        ..NOWHERE
    };
    let (_, id) = flight(&asked(&mut gate, 1, &bearer("token"), &with(6))).unwrap();
    assert!(asked(&mut gate, 2, &bearer("token"), &with(5)).is_empty());
    let ends = ends(&gate.on_introspection(id, &active(bound_to(5)), NOW));
    assert!(
        matches!(&ends[..], [(1, End::Refused(401, _)), (2, End::Forwarded(_))]),
        "{ends:?}"
    );
}

#[test]
fn a_token_in_a_cookie_is_bound_to_the_service_and_needs_no_certificate_of_the_browser() {
    let (first, second) = both(
        &mut gate(json!({})),
        &good("GET", "token"),
        &NOWHERE,
        &active(bound_to(5)),
    );
    assert!(matches!((first, second), (End::Forwarded(_), End::Forwarded(_))));
}

#[test]
fn a_binding_is_obeyed_wherever_in_the_answer_it_stands() {
    let token = jwt(json!({"exp": NOW + 100}));
    let envelope = json!({"active": true, "jwt": token, "cnf": {"x5t#S256": base64url::encode(&[5; 32])}});
    let answer = answer(200, "application/json", &[], &envelope.to_string());
    let (first, _) = both(
        &mut gate(json!({"bff_token": null})),
        &bearer("token"),
        &NOWHERE,
        &answer,
    );
    assert!(matches!(first, End::Refused(401, _)));
}

#[test]
fn a_route_adds_its_own_requirements() {
    let changes = json!({"phantom_token": {"route_metadata": "bff_filter", "required_scopes": ["data"]}});
    let status = |scopes, audience, claims: Value| {
        let around = Around {
            certificate: None,
            scopes,
            audience,
        };
        let (first, second) = both(
            &mut gate(changes.clone()),
            &good("GET", "token"),
            &around,
            &active(claims),
        );
        assert_eq!(first, second);
        match first {
            End::Forwarded(_) => 200,
            End::Refused(status, _) => status,
        }
    };
    let claims = json!({"scope": "data orders", "aud": "orders-api", "exp": NOW + 100});
    assert_eq!(status(Some(""), None, claims.clone()), 200);
    assert_eq!(status(Some("orders"), Some("orders-api"), claims.clone()), 200);
    assert_eq!(status(Some("orders admin"), None, claims.clone()), 403);
    assert_eq!(status(None, Some("other-api"), claims.clone()), 401);
    // What the entry point requires is not taken back.
    assert_eq!(
        status(Some("orders"), None, json!({"scope": "orders", "exp": NOW + 100})),
        403
    );
    // A route that was to have metadata and has none, or has nonsense, lets nobody in.
    assert_eq!(status(None, None, claims.clone()), 500);
    assert_eq!(status(Some("or\"ders"), None, claims.clone()), 500);
    // A number in place of a text comes as the bytes of a float. What it stood for is not left out.
    assert_eq!(status(Some("orders"), Some("\0\0\0\0\0\0\u{8}@"), claims.clone()), 500);
    assert_eq!(status(Some("orders"), Some(""), claims.clone()), 500);
    assert_eq!(status(Some("\0\0\0\0\0\0\u{8}@"), Some("orders-api"), claims), 500);
}

#[test]
fn one_answer_serves_routes_with_different_requirements() {
    let mut gate = gate(json!({"phantom_token": {"route_metadata": "bff_filter"}}));
    let on = |scopes| Around {
        scopes: Some(scopes),
        ..NOWHERE
    };
    let answer = active(json!({"scope": "orders", "exp": NOW + 100}));
    let (first, _) = both(&mut gate, &good("GET", "token"), &on("orders"), &answer);
    assert!(matches!(first, End::Forwarded(_)));
    let effects = asked(&mut gate, 7, &good("GET", "token"), &on("admin"));
    assert!(flight(&effects).is_none(), "the answer is known");
    assert_eq!(ends(&effects).pop().unwrap().1, End::Refused(403, None));
}

#[test]
fn a_refusal_for_a_scope_names_every_scope_that_the_entry_point_and_the_route_require() {
    let mut gate = gate(json!({"bff_token": null,
        "phantom_token": {"route_metadata": "bff_filter", "required_scopes": ["data", "openid"]}}));
    let around = Around {
        scopes: Some("orders data write"),
        ..NOWHERE
    };
    for has in ["", "data openid", "orders write", "data openid orders"] {
        let answer = active(json!({"scope": has, "exp": NOW + 100}));
        let challenge = "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"data openid orders write\"";
        let refused = End::Refused(403, Some(challenge.to_owned()));
        let (first, second) = both(&mut gate, &bearer(&format!("token-{}", has.len())), &around, &answer);
        assert_eq!((&first, &second), (&refused, &refused), "{has}");
    }
}

/// A route whose metadata are asked again when the response comes.
fn forwarded(gate: &mut Gateway, head: &RequestHead, around: &Around) -> ResponseContext {
    let mut effects = asked(gate, 1, head, around);
    if let Some((_, id)) = flight(&effects) {
        effects = gate.on_introspection(
            id,
            &active(json!({"scope": "orders", "aud": "api", "exp": NOW + 100})),
            NOW,
        );
    }
    match effects.pop() {
        Some(Effect::Decide {
            decision: Decision::Forward(Forward { context, .. }),
            ..
        }) => context,
        _ => panic!("not forwarded"),
    }
}

#[test]
fn a_response_of_another_route_than_the_one_that_was_asked_does_not_go_out() {
    let mut gate = gate(json!({"phantom_token": {"route_metadata": "bff_filter"}}));
    let asked = Around {
        scopes: Some("orders"),
        audience: Some("api"),
        ..NOWHERE
    };
    // After a callout, at once, and by a cookie that is known.
    for _ in 0..3 {
        let required = forwarded(&mut gate, &good("GET", "token"), &asked).route.unwrap();
        assert_eq!(gate.on_response(&required, &asked), None);
        let another = |scopes, audience| Around {
            scopes,
            audience,
            ..NOWHERE
        };
        for served in [
            another(Some("admin"), Some("api")),
            another(Some("orders"), None),
            another(Some("orders admin"), Some("api")),
            // Less than was asked for is another route as well.
            another(Some(""), Some("api")),
            another(None, None),
            another(Some("or\"ders"), Some("api")),
        ] {
            let refused = gate.on_response(&required, &served).expect("another route");
            assert_eq!(refused.code, ErrorCode::ServerError);
        }
    }
    let counted = gate
        .counters()
        .of(bff_core::gateway::counters::Counter::Rejected(ErrorCode::ServerError));
    assert_eq!(counted, 18);
}

#[test]
fn where_routes_are_asked_a_client_sends_no_header_that_only_the_filter_sets() {
    let asking = json!({"route_metadata": "bff_filter", "response": "claims", "claim_to_headers": [
        {"header_name": "x-tenant", "claim_name": "tenant"}]});
    let around = Around {
        scopes: Some(""),
        ..NOWHERE
    };
    let cookie = at("token");
    let status = |changes: &Value, lines: &[(&str, &str)]| {
        let head = head("GET", &[lines, &[("cookie", &cookie)]].concat());
        let effects = Vec::from_iter(gate(changes.clone()).on_request(1, &head, &around, NOW));
        match ends(&effects).pop() {
            Some((_, End::Refused(status, challenge))) => Some((status, challenge)),
            _ => None,
        }
    };
    let changes = json!({"phantom_token": asking});
    for name in ["x-tenant", "x_tenant", "x.tenant", "authorization"] {
        assert_eq!(status(&changes, &[(name, "lax")]), Some((400, None)), "{name}");
    }
    // A browser's own, and where no route is asked: removed, as ever.
    assert_eq!(
        status(&changes, &[("x-example-csrf", "junk"), ("x-other", "lax")]),
        None
    );
    let mut plain = changes.clone();
    plain["phantom_token"]["route_metadata"] = Value::Null;
    assert_eq!(
        status(&plain, &[("x-tenant", "lax"), ("authorization", "Bearer mine")]),
        None
    );
}

#[test]
fn the_response_to_a_request_that_a_cookie_let_in_is_known_as_one() {
    let mut both = gate(json!({"bff_token": {"allow_tokens": true}}));
    for _ in 0..3 {
        assert!(forwarded(&mut both, &good("GET", "token"), &NOWHERE).by_cookie);
        assert!(!forwarded(&mut both, &bearer("token"), &NOWHERE).by_cookie);
    }
}

fn claims_mode() -> Value {
    json!({"phantom_token": {"response": "claims", "claim_to_headers": [
        {"header_name": "X-User-Sub", "claim_name": "sub"},
        {"header_name": "x-user-groups", "claim_name": "groups"},
    ]}})
}

/// The head that goes upstream of a request with these lines, as far as the filter writes it.
fn upstream(
    changes: Value,
    lines: &[(&str, &str)],
    answer: &IntrospectionResponse,
) -> Result<Vec<(String, String)>, u16> {
    let mut gate = gate(changes);
    let lines: Vec<(&str, &str)> = lines.to_vec();
    let cookie = at("token");
    let head = head("GET", &[&lines[..], &[("cookie", &cookie)]].concat());
    let (_, id) = flight(&gate.ask(1, &head, NOW)).unwrap();
    let Some(Effect::Decide { decision, .. }) = gate.on_introspection(id, answer, NOW).into_iter().next() else {
        panic!("no decision");
    };
    match decision {
        Decision::Forward(Forward { mutations, .. }) => {
            let set = mutations
                .set()
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
        &answer(200, "application/json", &[], &body.to_string()),
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
    // A claim that the server does not have is not taken from the client instead.
    let without = json!({"active": true, "exp": NOW + 100});
    let lines = upstream(
        claims_mode(),
        &spoofed,
        &answer(200, "application/json", &[], &without.to_string()),
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
            &answer(200, "application/json", &[], &body.to_string()),
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
            &answer(200, "application/json", &[], &body.to_string()),
        )
    };
    assert_eq!(send(json!({"active": true, "sub": "a\r\nx-admin: 1"})), Err(502));
    assert_eq!(send(json!({"active": true, "sub": "a\u{0}"})), Err(502));
    assert_eq!(send(json!({"active": false, "sub": "alice"})), Err(401));
    assert_eq!(send(json!({"sub": "alice"})), Err(502));
    let token = jwt(json!({"sub": "alice"}));
    assert_eq!(
        upstream(claims_mode(), &[], &answer(200, "application/jwt", &[], &token)),
        Err(502)
    );
}

#[test]
fn in_claims_mode_a_jwt_is_introspected_like_any_other_token() {
    let mut changes = claims_mode();
    changes["bff_token"] = Value::Null;
    let token = jwt(json!({"exp": NOW + 100}));
    assert!(admitted(&mut gate(changes), &bearer(&token)));
}

fn signed(typ: &str, claims: &Value) -> IntrospectionResponse {
    let header = json!({"alg": "RS256", "typ": typ});
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let token = format!("{}.{}.c2ln", part(&header), part(claims));
    answer(200, "application/token-introspection+jwt", &[], &token)
}

/// RFC 9701, section 5.
#[test]
fn a_signed_introspection_response_is_for_us_from_the_issuer_and_becomes_headers() {
    let changes = json!({"phantom_token": {"response": "rfc9701", "issuer": "https://login.example.com",
        "claim_to_headers": [{"header_name": "x-user-sub", "claim_name": "sub"}]}});
    let good = json!({"iss": "https://login.example.com", "aud": "api-gateway-client", "iat": NOW,
        "token_introspection": {"active": true, "sub": "alice", "exp": NOW + 100}});
    let send = |typ: &str, change: (&str, Value)| {
        let mut claims = good.clone();
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
    // Taken for an access token it is none: in the other forms it is not forwarded.
    let token = match signed(TYP, &good) {
        IntrospectionResponse::Http { body, .. } => String::from_utf8(body.unwrap()).unwrap(),
        IntrospectionResponse::Failed => panic!(),
    };
    let as_token = answer(200, "application/jwt", &[], &token);
    assert_eq!(upstream(json!({}), &[], &as_token), Err(502));
}
