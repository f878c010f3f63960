//! Sessions that end before their cookies do: by signing out, by back-channel and by front-channel logout.

use bff_core::session::ended_sessions::EndedSessions;
use serde_json::{Value, json};

use crate::support::app::{ID, Setup, TestApp, wait_until};
use crate::support::authorization_server::{FakeAuthorizationServer, Misbehaviour};
use crate::support::browser::Browser;
use crate::support::http::{Request, Response};

const SID: &str = "the-sid-of-this-login-0123456789";

fn with_sid() -> TestApp {
    let app = TestApp::start();
    app.authorization_server
        .state()
        .claims
        .insert("sid".to_owned(), json!(SID));
    app
}

fn backchannel(app: &TestApp, token: &str) -> Response {
    Request::new("POST", "/bff/backchannel-logout")
        .form(&[("logout_token", token)])
        .send(app.address)
}

fn is_over(browser: &mut Browser<'_>) -> bool {
    let over = browser.get("/session").json() == json!({"isLoggedIn": false});
    let refresh = browser.clone().post("/refresh").outcome();
    assert_eq!(refresh, if over { "401 session_expired" } else { "204" });
    over
}

#[test]
fn a_logout_token_with_a_sid_ends_that_login_and_no_other() {
    let app = with_sid();
    let mut alice = app.signed_in();
    app.authorization_server
        .state()
        .claims
        .insert("sid".to_owned(), json!("another-login"));
    let mut elsewhere = app.signed_in();
    let response = backchannel(
        &app,
        &app.authorization_server
            .logout_token(json!({"sid": SID, "sub": "alice"})),
    );
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(is_over(&mut alice));
    assert!(!is_over(&mut elsewhere));
}

#[test]
fn a_logout_token_with_a_sub_alone_ends_all_sessions_of_the_user_and_not_those_of_others() {
    let app = with_sid();
    let (mut one, mut two, mut bob) = (app.signed_in(), app.signed_in(), app.browser().sign_in_as("bob"));
    assert_eq!(
        backchannel(&app, &app.authorization_server.logout_token(json!({"sub": "alice"}))).status,
        200
    );
    assert!(is_over(&mut one) && is_over(&mut two));
    assert!(!is_over(&mut bob));
    // And she may sign in again.
    assert!(!is_over(&mut app.signed_in()));
}

/// A replica that has not heard of it yet refreshes; the session is over all the same wherever it is known.
#[test]
fn a_refresh_elsewhere_does_not_outlive_the_end_of_all_that_a_user_has() {
    let exact = || Setup {
        authorization_server: "clock_skew_seconds = 0",
        ..Setup::default()
    };
    let one = TestApp::start_with(exact());
    let other = TestApp::start_against(one.authorization_server.clone(), exact());
    let mut browser = one.signed_in();
    backchannel(&one, &one.authorization_server.logout_token(json!({"sub": "alice"})));
    // What is sealed now is sealed later than the logout.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    browser.app = &other;
    assert_eq!(browser.post("/refresh").status, 204, "there it is not known");
    browser.app = &one;
    assert!(is_over(&mut browser));
}

#[test]
fn an_ended_session_gets_its_cookies_cleared_by_the_refresh_and_is_refused_by_every_endpoint() {
    let app = with_sid();
    let mut browser = app.signed_in();
    backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID})));
    for endpoint in ["/claims", "/userInfo"] {
        assert_eq!(
            browser.clone().get(endpoint).outcome(),
            "401 session_expired",
            "{endpoint}"
        );
    }
    assert_eq!(browser.clone().post("/logout").outcome(), "401 session_expired");
    let refresh = browser.post("/refresh");
    assert_eq!(refresh.outcome(), "401 session_expired");
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookie_names());
}

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
    let good = server.logout_token(json!({"sid": SID}));
    let claims: Value = serde_json::from_slice(&decoded(good.split('.').nth(1).unwrap())).unwrap();
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
    let (signed, _) = good.rsplit_once('.').unwrap();
    for token in [format!("{signed}."), signed.to_owned(), "x".to_owned(), String::new()] {
        assert_eq!(backchannel(&app, &token).outcome(), "400 invalid_request", "{token}");
    }
    assert!(!is_over(&mut browser));
    assert_eq!(backchannel(&app, &good).status, 200, "it was good all the time");
    assert!(is_over(&mut browser));
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
    assert!(is_over(&mut browser));
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
    assert!(!is_over(&mut browser));
    assert_eq!(backchannel(&app, &token(json!(["spa-client", "the-api"]))).status, 200);
    assert!(is_over(&mut browser));
}

#[test]
fn a_logout_token_that_cannot_be_verified_for_want_of_keys_is_answered_400_and_not_used_up() {
    let server = FakeAuthorizationServer::start();
    server.misbehave("jwks", Misbehaviour::Answer(500, String::new()));
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
    assert!(!is_over(&mut browser));
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

#[test]
fn a_refresh_under_way_does_not_survive_a_back_channel_logout() {
    let app = with_sid();
    let browser = app.signed_in();
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let before = app.authorization_server.requests("token");
    let request = browser.request("POST", "/refresh");
    let address = app.address;
    let refresh = std::thread::spawn(move || request.send(address));
    app.authorization_server.wait_for_requests("token", before + 1);
    backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID})));
    app.authorization_server.behave();
    let response = refresh.join().unwrap();
    assert_eq!(response.outcome(), "401 session_expired");
    assert!(response.cookie_changes().iter().all(|change| change.starts_with('-')));
    // What the server gave out for it does not stay behind.
    app.authorization_server
        .wait_until("the new refresh token is revoked", |state| !state.revoked.is_empty());
}

#[test]
fn after_signing_out_copies_of_the_cookies_are_good_for_nothing() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let mut thief = browser.clone();
    assert_eq!(browser.post("/logout").status, 200);
    assert!(is_over(&mut thief));
    assert_eq!(thief.get("/claims").outcome(), "401 session_expired");
}

#[test]
fn the_filter_is_told_what_ended_and_only_what_it_does_not_know() {
    let app = with_sid();
    let read = |known: &str| app.admin(&format!("/ended-sessions?known={known}"));
    let list = |response: &Response| EndedSessions::from_json(response.body.as_bytes(), 100).unwrap();
    let (ended, version) = list(&read(""));
    assert!(ended.is_empty());
    assert_eq!(read(&version).status, 204);
    app.signed_in().post("/logout");
    backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID})));
    let (ended, later) = list(&read(&version));
    assert_eq!(ended.len(), 2);
    assert_eq!(read(&later).status, 204);
}

#[test]
fn the_list_of_ended_sessions_is_not_on_the_public_listener() {
    let app = TestApp::start();
    for path in ["/ended-sessions", "/bff/ended-sessions"] {
        assert_eq!(
            Request::new("GET", path).send(app.address).outcome(),
            "404 not_found",
            "{path}"
        );
    }
}

#[test]
fn front_channel_logout_is_off_unless_it_is_configured() {
    let app = with_sid();
    let path = format!(
        "/bff/frontchannel-logout?iss={}&sid={SID}",
        app.authorization_server.issuer()
    );
    assert_eq!(Request::new("GET", &path).send(app.address).outcome(), "404 not_found");
}

#[test]
fn front_channel_logout_ends_the_login_that_iss_and_sid_name() {
    let app = TestApp::start_with(Setup {
        client: "frontchannel_logout = true",
        ..Setup::default()
    });
    app.authorization_server
        .state()
        .claims
        .insert("sid".to_owned(), json!(SID));
    let mut browser = app.signed_in();
    let issuer = app.authorization_server.issuer();
    let ask = |query: &str| {
        // As a frame of the authorization server's page does it.
        Request::new("GET", &format!("/bff/frontchannel-logout?{query}"))
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "iframe")
            .send(app.address)
    };
    for query in [
        String::new(),
        format!("sid={SID}"),
        format!("iss={issuer}"),
        format!("iss=https://other.example.test&sid={SID}"),
        format!("iss={issuer}&sid={SID}&sid=other"),
        format!("iss={issuer}&iss={issuer}&sid={SID}"),
        format!("iss={issuer}&sid=short"),
    ] {
        assert_eq!(ask(&query).outcome(), "400 invalid_request", "{query}");
    }
    let good = format!("iss={issuer}&sid={SID}");
    let head = Request::new("HEAD", &format!("/bff/frontchannel-logout?{good}")).send(app.address);
    assert_eq!((head.status, head.body.as_str()), (405, ""), "it would end something");
    assert!(!is_over(&mut browser));
    let response = ask(&good);
    assert_eq!(response.status, 200);
    let policy = response.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("frame-ancestors {issuer}")), "{policy}");
    assert!(is_over(&mut browser));
}

#[test]
fn a_flood_of_made_up_front_channel_logouts_does_not_push_out_those_that_were_proven() {
    let app = TestApp::start_with(Setup {
        client: "frontchannel_logout = true",
        session: "ended_entries = 10",
        ..Setup::default()
    });
    let mut thief = {
        let mut browser = app.signed_in();
        let copy = browser.clone();
        browser.post("/logout");
        copy
    };
    let issuer = app.authorization_server.issuer();
    for number in 0..30 {
        let path = format!("/bff/frontchannel-logout?iss={issuer}&sid=made-up-by-somebody-{number}");
        Request::new("GET", &path).send(app.address);
    }
    assert!(is_over(&mut thief));
}

#[test]
fn a_login_that_was_ended_may_begin_again_with_the_same_sid_at_once() {
    let app = with_sid();
    let mut before = app.signed_in();
    // Both within one second, as a server that keeps its session signs the user in again without asking.
    assert_eq!(
        backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID}))).status,
        200
    );
    let mut again = app.signed_in();
    assert!(is_over(&mut before));
    assert!(!is_over(&mut again));
    assert_eq!(again.get("/claims").status, 200);
    // And that one ends as well, however soon.
    assert_eq!(
        backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID}))).status,
        200
    );
    assert!(is_over(&mut again));
}

#[test]
fn a_user_who_was_signed_out_everywhere_may_sign_in_again_within_the_same_second() {
    let app = with_sid();
    let mut before = app.signed_in();
    assert_eq!(
        backchannel(&app, &app.authorization_server.logout_token(json!({"sub": "alice"}))).status,
        200
    );
    let mut again = app.signed_in();
    assert!(is_over(&mut before));
    assert!(!is_over(&mut again));
}

#[test]
fn a_login_that_front_channel_logout_ended_may_begin_again_with_the_same_sid() {
    let app = TestApp::start_with(Setup {
        client: "frontchannel_logout = true",
        ..Setup::default()
    });
    app.authorization_server
        .state()
        .claims
        .insert("sid".to_owned(), json!(SID));
    let path = format!(
        "/bff/frontchannel-logout?iss={}&sid={SID}",
        app.authorization_server.issuer()
    );
    let mut before = app.signed_in();
    assert_eq!(Request::new("GET", &path).send(app.address).status, 200);
    let mut again = app.signed_in();
    assert!(is_over(&mut before));
    assert!(!is_over(&mut again));
    assert_eq!(Request::new("GET", &path).send(app.address).status, 200);
    assert!(is_over(&mut again));
}

/// The server issued its tokens before it ended the login, and they came late.
#[test]
fn a_login_under_way_does_not_survive_the_logout_that_comes_meanwhile() {
    let app = with_sid();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let before = app.authorization_server.requests("token");
    let request = browser
        .request("POST", "/login/end")
        .json(&json!({"pageUrl": page_url.as_str()}));
    let address = app.address;
    let login = std::thread::spawn(move || request.send(address));
    app.authorization_server.wait_for_requests("token", before + 1);
    backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID})));
    app.authorization_server.behave();
    let response = login.join().unwrap();
    assert_eq!(response.outcome(), "401 login_required");
    browser.take_cookies(&response);
    assert_eq!(browser.get("/session").json(), json!({"isLoggedIn": false}));
    // What the server gave out for it does not stay behind.
    app.authorization_server
        .wait_until("its refresh token is revoked", |state| !state.revoked.is_empty());
}
