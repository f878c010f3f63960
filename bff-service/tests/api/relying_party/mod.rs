//! The relying-party tests of the OpenID Foundation, and what they may not do: an authorization server that lies, in
//! every way that it can. A test has the Foundation's name for it, if there is one.

mod authorization_response;
mod conformance;
mod discovery;
mod id_token;
mod keys;
mod legal_responses;
mod signatures;
#[path = "../../../src/oauth/tests/signer.rs"]
mod signer;
mod token_endpoint;
mod userinfo;

use serde_json::Value;

use crate::support::app::TestApp;
use crate::support::authorization_server::{FakeAuthorizationServer, State};
use crate::support::http::Response;

/// Ends every lie.
fn be_honest(server: &FakeAuthorizationServer) {
    server.behave();
    let mut state = server.state();
    state.claims.clear();
    state.token_response.clear();
    state.metadata.clear();
    state.jwks = None;
    state.id_token_maker = None;
    state.token_response_writer = None;
}

/// Signs alice in while the server lies like this.
fn sign_in_while(app: &TestApp, lie: impl FnOnce(&mut State)) -> Response {
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    lie(&mut app.authorization_server.state());
    let before = app.authorization_server.requests("token");
    let response = browser.load_page(page_url.as_str());
    assert_eq!(
        app.authorization_server.requests("token") - before,
        1,
        "a code is used once, whatever happens"
    );
    response
}

/// A lie, with which nobody gets signed in; when the server is honest again, everything works.
fn assert_refused(app: &TestApp, what: &str, outcome: &str, lie: impl FnOnce(&mut State)) {
    let response = sign_in_while(app, lie);
    assert_eq!(response.outcome(), outcome, "{what}");
    let set: Vec<String> = response
        .cookie_changes()
        .into_iter()
        .filter(|change| !change.starts_with('-'))
        .collect();
    assert!(set.is_empty(), "{what}: {set:?}");
    for secret in &app.authorization_server.state().secrets {
        assert!(!response.body.contains(secret), "{what}: a secret is in the response");
    }
    be_honest(&app.authorization_server);
    app.signed_in();
}

/// Nobody gets signed in with an ID token with these changed claims; null removes a claim.
fn assert_claims_refused(app: &TestApp, changes: Value) {
    assert_refused(app, &changes.to_string(), "400 invalid_request", |state| {
        state.claims = changes.as_object().unwrap().clone();
    });
}

/// The user gets signed in although the server does something unusual.
fn assert_accepted(app: &TestApp, what: &str, unusual: impl FnOnce(&mut State)) {
    let response = sign_in_while(app, unusual);
    assert_eq!(response.status, 200, "{what}: {response:?}");
    assert_eq!(response.json()["isLoggedIn"], true, "{what}");
    be_honest(&app.authorization_server);
}

fn now() -> u64 {
    crate::support::forgery::now()
}

/// An app whose service fetches new keys as often as necessary.
fn app_that_follows_rotations() -> TestApp {
    TestApp::start_with(crate::support::app::Setup {
        authorization_server: "unknown_key_seconds = 0",
        ..Default::default()
    })
}

/// The token response as JSON with these members instead.
fn members(changes: Value) -> impl FnOnce(&mut State) {
    move |state| state.token_response = changes.as_object().unwrap().clone()
}
