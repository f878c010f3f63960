//! Keys and secrets are replaced while the service runs: without a restart, and nobody is signed out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bff_core::cookie::purpose::Purpose;
use bff_core::crypto::key_ring::KeyRing;

use crate::support::app::{AT, KEYS, Setup, TestApp, wait_until};
use crate::support::authorization_server::CLIENT_ID;
use crate::support::forgery;
use crate::support::http::Request;
use crate::support::log_capture;

pub const NEW: &str = "5c1f0a9be3d7284655aa93c10fe27b8d6c40195eab3287f6d01c9e8a7b6f5d43";

fn start(setup: Setup<'_>) -> TestApp {
    let app = TestApp::start_with(Setup {
        server: "reread_seconds = 1",
        ..setup
    });
    wait_until("the service is ready", || app.admin("/readyz").status == 200);
    app
}

pub fn change(app: &TestApp, find: &str, with: &str) {
    let mut text = app.configuration.lock().unwrap();
    assert!(text.contains(find), "{find}");
    *text = text.replace(find, with);
}

fn id(key: &str) -> String {
    let (ring, _) = KeyRing::parse(key, false).unwrap();
    ring.key_ids().next().unwrap().to_string()
}

fn in_force(app: &TestApp, key: &str, does: &str) -> bool {
    app.metric(&format!("bff_cookie_keys{{key=\"{}\",does=\"{does}\"}}", id(key))) == 1
}

#[test]
fn a_rotation_of_the_cookie_key_logs_nobody_out_and_a_removed_key_opens_nothing() {
    let app = start(Setup::default());
    let old = KEYS.split(',').next().unwrap();
    assert!(in_force(&app, old, "seals"));
    let mut browser = app.signed_in();
    let before = browser.clone();
    // The new key is added to all replicas for opening, then moved to the front, then the old key is removed.
    change(&app, KEYS, &format!("{old},{NEW}"));
    wait_until("the new key opens", || in_force(&app, NEW, "opens"));
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
    change(&app, &format!("{old},{NEW}"), &format!("{NEW},{old}"));
    wait_until("the new key seals", || {
        in_force(&app, NEW, "seals") && in_force(&app, old, "opens")
    });
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
    assert_eq!(browser.post("/refresh").status, 204);
    let sealed = browser.cookie(AT);
    assert!(
        forgery::sealer(NEW)
            .open(Purpose::AccessToken, sealed.as_bytes(), forgery::now())
            .is_ok()
    );
    change(&app, &format!("{NEW},{old}"), NEW);
    wait_until("the old key is gone", || {
        in_force(&app, NEW, "seals") && !in_force(&app, old, "opens")
    });
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
    assert!(app.metric(&format!("bff_cookies_opened_total{{key=\"{}\"}}", id(NEW))) > 0);
    // A cookie that was sealed with the removed key is refused.
    let mut stale = before;
    assert_eq!(stale.post("/refresh").outcome(), "401 unauthorized_request");
    assert_eq!(stale.get("/session").json()["isLoggedIn"], false);
    assert!(app.metric("bff_cookies_of_unknown_keys_total") > 0);
}

#[test]
fn a_ring_that_cannot_be_used_is_refused_by_its_field_and_the_one_from_before_stays() {
    let app = start(Setup::default());
    let mut browser = app.signed_in();
    let old = KEYS.split(',').next().unwrap();
    let mut ring = KEYS.to_owned();
    // Each has a unique word for the log, which all tests share.
    for (invalid, what) in [
        (format!("{NEW},not-a-key-91"), "keys: key 2 is invalid"),
        (format!("{NEW},{NEW},{old}"), "keys: key 2 is a duplicate"),
        (" ".to_owned(), "keys.ring: the value is empty"),
    ] {
        change(&app, &format!("ring = '{ring}'"), &format!("ring = '{invalid}'"));
        ring = invalid;
        wait_until("it is refused", || {
            let lines = log_capture::lines();
            let has_message =
                |line: &String| line.contains("the previous configuration stays in use") && line.contains(what);
            app.metric("bff_reread_refused") == 1 && lines.iter().any(has_message)
        });
        assert!(in_force(&app, old, "seals"), "{what}");
        assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
    }
    assert!(!log_capture::lines().iter().any(|line| line.contains("not-a-key-91")));
    change(&app, &format!("ring = '{ring}'"), &format!("ring = '{NEW},{old}'"));
    wait_until("a valid one is accepted", || {
        in_force(&app, NEW, "seals") && app.metric("bff_reread_refused") == 0
    });
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
}

#[test]
fn the_client_secret_is_exchanged_too() {
    let app = start(Setup::default());
    let mut browser = app.signed_in();
    let old = "the client secret of the tests";
    change(&app, old, "another secret");
    let expected = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:another%20secret")));
    wait_until("the new secret is used", || {
        assert_eq!(browser.post("/refresh").status, 204);
        app.authorization_server.state().last_headers["token"]["authorization"] == expected
    });
}

#[test]
fn the_rules_of_authorize_take_a_new_key_and_drop_a_removed_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authorize.json");
    let old = KEYS.split(',').next().unwrap();
    let write = |keys: &str| {
        let rules = serde_json::json!({"bff_token": {
            "cookie_name_prefix": "example",
            "encryption_key": {"inline": keys},
            "trusted_web_origins": ["https://www.example.test"],
        }});
        std::fs::write(&path, rules.to_string()).unwrap();
    };
    write(old);
    let authorize = format!("[authorize]\nplugin_configuration_file = '{}'", path.display());
    let app = start(Setup {
        more: &authorize,
        ..Setup::default()
    });
    let browser = app.signed_in();
    let ask = || {
        let request = Request::new("GET", "/authorize").header("cookie", format!("{AT}={}", browser.cookie(AT)));
        request.send(app.admin).status
    };
    assert_eq!(ask(), 200);
    write(&format!("{NEW},{old}"));
    let exchanged = "reloaded rules of /authorize";
    wait_until("the rules are exchanged", || {
        log_capture::lines().iter().any(|line| line.contains(exchanged))
    });
    assert_eq!(ask(), 200);
    write(NEW);
    wait_until("the cookie is refused", || ask() == 401);
}
