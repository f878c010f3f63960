//! Front-channel logout.

use serde_json::json;

use crate::ended_sessions::{SID, is_ended, with_sid};
use crate::support::app::{Setup, TestApp};
use crate::support::http::Request;

fn configured() -> TestApp {
    let app = TestApp::start_with(Setup {
        client: "frontchannel_logout = true",
        ..Setup::default()
    });
    app.authorization_server
        .state()
        .claims
        .insert("sid".to_owned(), json!(SID));
    app
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
    let app = configured();
    let mut browser = app.signed_in();
    let issuer = app.authorization_server.issuer();
    let ask = |query: &str| {
        // Like a frame in the authorization server's page.
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
    let valid = format!("iss={issuer}&sid={SID}");
    let head = Request::new("HEAD", &format!("/bff/frontchannel-logout?{valid}")).send(app.address);
    assert_eq!((head.status, head.body.as_str()), (405, ""), "it would end something");
    assert!(!is_ended(&mut browser));
    let response = ask(&valid);
    assert_eq!(response.status, 200);
    let policy = response.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("frame-ancestors {issuer}")), "{policy}");
    assert!(is_ended(&mut browser));
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
    assert!(is_ended(&mut thief));
}

#[test]
fn a_login_that_front_channel_logout_ended_may_begin_again_with_the_same_sid() {
    let app = configured();
    let path = format!(
        "/bff/frontchannel-logout?iss={}&sid={SID}",
        app.authorization_server.issuer()
    );
    let mut before = app.signed_in();
    assert_eq!(Request::new("GET", &path).send(app.address).status, 200);
    let mut again = app.signed_in();
    assert!(is_ended(&mut before));
    assert!(!is_ended(&mut again));
    assert_eq!(Request::new("GET", &path).send(app.address).status, 200);
    assert!(is_ended(&mut again));
}
