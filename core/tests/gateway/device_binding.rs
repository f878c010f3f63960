//! Sessions that are bound to a device: nothing of them counts without the proof of its key.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding::{self, Bound, Provisional, Unbound};
use bff_core::cookie::session_id::SessionId;
use bff_core::gateway::Gateway;
use bff_core::gateway::counters::Counter;
use bff_core::gateway::error_code::ErrorCode;
use bff_core::session::ended_sessions::{Ended, EndedSessions};
use serde_json::json;

use crate::support::*;

const OTHER_SESSION: SessionId = SessionId([8; 32]);

fn access_token(binding: Binding, session: SessionId) -> String {
    let sealed = seal_in(binding, Purpose::AccessToken, "token", session, NOW + 300);
    format!("example-at={sealed}")
}

fn proof(binding: Binding, session: SessionId, expires_at: u64) -> String {
    let sealed = seal_in(binding, Purpose::DeviceBinding, "", session, expires_at);
    format!("example-bound={sealed}")
}

/// Returns the `Authorization` with which a GET with these cookies is forwarded, or the error code and details.
fn get(gateway: &mut Gateway, cookies: &[&str], now: u64) -> Result<String, (ErrorCode, &'static str)> {
    let effects = gateway.ask(1, &head("GET", &[("cookie", &cookies.join("; "))]), now);
    match mutations(&effects) {
        Some(mutations) => Ok(authorization(mutations).expect("a token")),
        None => {
            let (_, details) = rejection(&effects);
            Err((rejected_with(&effects), details))
        }
    }
}

fn required(details: &'static str) -> Result<String, (ErrorCode, &'static str)> {
    Err((ErrorCode::DeviceBindingRequired, details))
}

#[test]
fn a_bound_session_is_forwarded_with_its_proof_alone_until_that_expires() {
    let mut gateway = gateway(json!({"phantom_token": null}));
    let token = access_token(Bound, SESSION);
    let current = proof(Bound, SESSION, NOW + 100);
    // Twice: from the caches too.
    for _ in 0..2 {
        assert_eq!(
            get(&mut gateway, &[&token, &current], NOW),
            Ok("Bearer token".to_owned())
        );
        assert_eq!(
            get(&mut gateway, &[&current, &token], NOW + 99),
            Ok("Bearer token".to_owned())
        );
    }
    assert_eq!(
        get(&mut gateway, &[&token, &current], NOW + 100),
        required("the device binding cookie has expired")
    );
    assert_eq!(
        get(&mut gateway, &[&token], NOW),
        required("missing device binding cookie")
    );
}

#[test]
fn the_proof_of_another_session_or_purpose_or_of_no_bound_session_is_none() {
    let mut gateway = gateway(json!({"phantom_token": null}));
    let token = access_token(Bound, SESSION);
    let of_other = "the device binding cookie belongs to another session";
    let unreadable = "the device binding cookie cannot be decrypted (unknown key, or altered)";
    let csrf = seal_in(Bound, Purpose::Csrf, CSRF, SESSION, NOW + 300);
    for (cookie, details) in [
        (proof(Bound, OTHER_SESSION, NOW + 100), of_other),
        (proof(Unbound, SESSION, NOW + 100), of_other),
        (format!("example-bound={csrf}"), unreadable),
        ("example-bound=".to_owned(), unreadable),
        (token.replace("example-at", "example-bound"), unreadable),
        (
            proof(Bound, SESSION, NOW + 100).replace("example-bound", "example-key"),
            "missing device binding cookie",
        ),
    ] {
        assert_eq!(
            get(&mut gateway, &[&token, &cookie], NOW),
            required(details),
            "{cookie}"
        );
    }
    // A sibling domain cannot set a host-locked cookie, but the browser may have several.
    let current = proof(Bound, SESSION, NOW + 100);
    let old = proof(Bound, OTHER_SESSION, NOW + 100);
    for cookies in [[&token, &old, &current], [&current, &old, &token]] {
        assert_eq!(
            get(&mut gateway, &cookies.map(String::as_str), NOW),
            Ok("Bearer token".to_owned())
        );
    }
}

/// The service knows whether the session has been bound since. A gateway does not, so the access token cookie expires
/// soon.
#[test]
fn a_provisional_session_needs_no_proof() {
    let mut gateway = gateway(json!({"phantom_token": null}));
    let token = access_token(Provisional, SESSION);
    for other in ["", &proof(Bound, SESSION, NOW - 1), &proof(Bound, SESSION, NOW + 100)] {
        assert_eq!(
            get(&mut gateway, &[&token, other], NOW),
            Ok("Bearer token".to_owned()),
            "{other}"
        );
    }
}

#[test]
fn a_session_that_is_not_bound_needs_no_proof_and_loses_nothing_by_one() {
    let mut gateway = gateway(json!({"phantom_token": null}));
    let token = access_token(Unbound, SESSION);
    for other in ["", &proof(Bound, OTHER_SESSION, NOW + 100), "example-bound=junk"] {
        assert_eq!(
            get(&mut gateway, &[&token, other], NOW),
            Ok("Bearer token".to_owned()),
            "{other}"
        );
    }
}

#[test]
fn access_token_cookies_of_a_session_before_and_after_its_binding_belong_to_different_sessions() {
    let mut gateway = gateway(json!({"phantom_token": null}));
    let (before, after) = (access_token(Unbound, OTHER_SESSION), access_token(Bound, SESSION));
    let current = proof(Bound, SESSION, NOW + 100);
    let refused = get(&mut gateway, &[&before, &after, &current], NOW);
    assert_eq!(
        refused,
        Err((
            ErrorCode::Unauthorized,
            "the access token cookies belong to different sessions"
        ))
    );
}

#[test]
fn an_unsafe_method_of_a_bound_session_needs_the_csrf_value_too() {
    let mut gateway = gateway(json!({"phantom_token": null}));
    let cookies = [access_token(Bound, SESSION), proof(Bound, SESSION, NOW + 100), csrf()].join("; ");
    let lines = [
        ("origin", ORIGIN),
        ("x-example-csrf", CSRF),
        ("cookie", cookies.as_str()),
    ];
    let effects = gateway.ask(1, &head("POST", &lines), NOW);
    assert!(mutations(&effects).is_some());
    assert_eq!(refused(&mut gateway, &head("POST", &[lines[0], lines[2]])), Some(401));
}

#[test]
fn the_word_of_the_browser_proves_nothing_and_is_counted() {
    let mut gateway = gateway(json!({"phantom_token": null}));
    let token = access_token(Bound, SESSION);
    let skipped = ("secure-session-skipped", "unreachable;session_identifier=\"x\"");
    for lines in [
        &[("cookie", token.as_str()), skipped][..],
        &[("cookie", &token)],
        &[("cookie", &token)],
    ] {
        assert_eq!(refused(&mut gateway, &head("GET", lines)), Some(401));
    }
    assert_eq!(gateway.counters().of(Counter::DeviceBindingSkipped), 1);
    assert_eq!(gateway.counters().of(Counter::DeviceBindingMissing), 2);
}

#[test]
fn neither_the_cookies_of_the_binding_nor_its_headers_reach_the_api() {
    let mut gateway = gateway(json!({"phantom_token": null}));
    let (token, current) = (access_token(Bound, SESSION), proof(Bound, SESSION, NOW + 100));
    let cookies = format!("a=b; {token}; {current}; example-key=x; example-key.1=y");
    let lines = [
        ("cookie", cookies.as_str()),
        ("secure-session-response", "jwt"),
        ("secure-session-skipped", "unreachable"),
        ("sec-secure-session-id", "id"),
        ("sec_secure_session_id", "id"),
    ];
    let effects = gateway.ask(1, &head("GET", &lines), NOW);
    let mutations = mutations(&effects).expect("forwarded");
    for (name, _) in &lines[1..] {
        assert!(mutations.remove.iter().any(|removed| removed == name), "{name}");
    }
    let cookies = mutations.headers_to_set().find(|(name, _)| *name == "cookie");
    assert_eq!(cookies, Some(("cookie", &b"a=b"[..])));
}

#[test]
fn a_session_that_was_ended_is_refused_with_its_proof_too() {
    let mut gateway = gateway(json!({
        "phantom_token": null,
        "bff_token": {"ended_sessions": {"cluster": "bff_admin"}},
    }));
    let (token, current) = (access_token(Bound, SESSION), proof(Bound, SESSION, NOW + 100));
    assert_eq!(
        get(&mut gateway, &[&token, &current], NOW),
        Ok("Bearer token".to_owned())
    );
    let mut list = EndedSessions::new(100, 0);
    list.end(Ended::session(&SESSION), NOW);
    gateway.on_ended_sessions(200, Some(list.to_json("1").as_bytes()));
    let refused = get(&mut gateway, &[&token, &current], NOW);
    assert_eq!(refused, Err((ErrorCode::Unauthorized, "the session has ended")));
}
