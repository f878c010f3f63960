//! Access tokens that are bound to a client certificate.

use bff_core::encoding::base64url;
use bff_core::request::head::RequestHead;
use serde_json::{Value, json};

use crate::attributes::*;
use crate::support::*;

fn bearer(token: &str) -> RequestHead<'static> {
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
            let attributes = TestAttributes {
                certificate: certificate.map(|byte| [byte; 32]),
                ..NOWHERE
            };
            let (first, second) = both(
                &mut gateway(changes.clone()),
                &bearer("token"),
                &attributes,
                &active(claims),
            );
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
    let mut gateway = gateway(json!({"bff_token": null}));
    let owner = TestAttributes {
        certificate: Some([5; 32]),
        ..NOWHERE
    };
    let (first, _) = both(&mut gateway, &bearer("token"), &owner, &active(bound_to(5)));
    assert!(matches!(first, End::Forwarded(_)));
    let thief = TestAttributes {
        certificate: Some([6; 32]),
        ..NOWHERE
    };
    let stolen = ends(&asked(&mut gateway, 9, &bearer("token"), &thief, NOW))
        .pop()
        .unwrap()
        .1;
    assert_eq!(
        stolen,
        End::Refused(401, Some("Bearer realm=\"api\", error=\"invalid_token\"".to_owned()))
    );
}

#[test]
fn requests_that_wait_together_are_judged_each_by_its_own_certificate() {
    let mut gateway = gateway(json!({"bff_token": null}));
    let with = |byte: u8| TestAttributes {
        certificate: Some([byte; 32]),
        ..NOWHERE
    };
    let (_, id) = flight(&asked(&mut gateway, 1, &bearer("token"), &with(6), NOW)).unwrap();
    assert!(asked(&mut gateway, 2, &bearer("token"), &with(5), NOW).is_empty());
    let ends = ends(&gateway.on_server_response(id, &active(bound_to(5)), NOW));
    assert!(
        matches!(&ends[..], [(1, End::Refused(401, _)), (2, End::Forwarded(_))]),
        "{ends:?}"
    );
}

#[test]
fn a_token_in_a_cookie_is_bound_to_the_service_and_needs_no_certificate_of_the_browser() {
    let (first, second) = both(
        &mut gateway(json!({})),
        &valid("GET", "token"),
        &NOWHERE,
        &active(bound_to(5)),
    );
    assert!(matches!((first, second), (End::Forwarded(_), End::Forwarded(_))));
}

#[test]
fn a_binding_is_obeyed_wherever_in_the_answer_it_stands() {
    let token = jwt(json!({"exp": NOW + 100}));
    let envelope = json!({"active": true, "jwt": token, "cnf": {"x5t#S256": base64url::encode(&[5; 32])}});
    let response = response(200, "application/json", &[], &envelope.to_string());
    let (first, _) = both(
        &mut gateway(json!({"bff_token": null})),
        &bearer("token"),
        &NOWHERE,
        &response,
    );
    assert!(matches!(first, End::Refused(401, _)));
}
