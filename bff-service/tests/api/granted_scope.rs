//! The scope of a refresh: the granted one, stored in the refresh token cookie.

use bff_core::cookie::purpose::Purpose;
use serde_json::{Value, json};

use crate::support::app::{AUTH, Setup, TestApp};
use crate::support::browser::Browser;

/// Refreshes, and returns the requested scope.
fn refresh_and_get_scope(app: &TestApp, browser: &mut Browser<'_>) -> Option<String> {
    assert_eq!(browser.post("/refresh").status, 204);
    app.authorization_server.state().last_form.get("scope").cloned()
}

fn answer_with_scope(app: &TestApp, scope: Value) {
    let members = json!({ "scope": scope });
    app.authorization_server.state().token_response = members.as_object().unwrap().clone();
}

#[test]
fn a_refresh_asks_for_what_the_login_asked_for_where_the_server_names_no_scope() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for _ in 0..2 {
        assert_eq!(
            refresh_and_get_scope(&app, &mut browser).as_deref(),
            Some("openid profile")
        );
    }
}

#[test]
fn a_refresh_asks_for_what_the_server_granted_last_and_never_for_more() {
    let app = TestApp::start();
    answer_with_scope(&app, json!("openid api"));
    let mut browser = app.signed_in();
    answer_with_scope(&app, json!("openid"));
    assert_eq!(refresh_and_get_scope(&app, &mut browser).as_deref(), Some("openid api"));
    answer_with_scope(&app, json!(null));
    assert_eq!(refresh_and_get_scope(&app, &mut browser).as_deref(), Some("openid"));
    assert_eq!(refresh_and_get_scope(&app, &mut browser).as_deref(), Some("openid"));
}

#[test]
fn a_refresh_leaves_the_scope_out_where_the_configuration_says_so() {
    let app = TestApp::start_with(Setup {
        client: "send_scope_at_refresh = false",
        ..Setup::default()
    });
    let mut browser = app.signed_in();
    assert_eq!(refresh_and_get_scope(&app, &mut browser), None);
}

#[test]
fn a_session_of_a_build_that_did_not_keep_the_scope_goes_on_without_one() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    browser.reseal(AUTH, Purpose::RefreshToken, |token| {
        let mut content: Value = serde_json::from_slice(&token.value).unwrap();
        assert_eq!(
            content.as_object_mut().unwrap().remove("scope"),
            Some(json!("openid profile"))
        );
        token.value = content.to_string().into_bytes();
    });
    for _ in 0..2 {
        assert_eq!(
            refresh_and_get_scope(&app, &mut browser),
            None,
            "it may be wider than what was granted"
        );
    }
}
