//! The registration of a device's key: who may bind a session, when, and how often.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;
use serde_json::{Value, json};

use crate::support::app::{AT, AUTH, BOUND, KEY, TestApp};
use crate::support::device::{Device, ON, SESSION, begin, bind, binding, is_signed_in, own_request};
use crate::support::forgery::open;
use crate::support::log_capture;

#[test]
fn a_session_is_bound_by_the_registration_that_the_response_to_its_login_offers() {
    let app = TestApp::start_with(ON);
    let (mut browser, offer) = begin(&app);
    let header = offer.header("secure-session-registration").unwrap();
    assert!(
        header.starts_with("(ES256 RS256);path=\"/bff/dbsc/register\";challenge=\""),
        "{header}"
    );
    let session = open(Purpose::AccessToken, browser.cookie(AT)).session;
    let mut device = Device::new();
    let response = device.register(&mut browser, &offer);
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(
        response.json(),
        json!({
            "session_identifier": device.identifier,
            "refresh_url": "/bff/dbsc/refresh",
            "scope": {
                "include_site": false,
                "scope_specification": [{"type": "exclude", "domain": "*", "path": "/bff/dbsc"}],
            },
            "credentials": [{
                "type": "cookie",
                "name": BOUND,
                "attributes": "Path=/; Secure; HttpOnly; SameSite=Strict",
            }],
            "allowed_refresh_initiators": ["www.example.test", "second.example.test"],
        })
    );
    assert_eq!(device.identifier.len(), 43);
    // With a challenge in this response, the browser would use it for the first proof at once.
    assert_eq!(response.header("secure-session-challenge"), None);
    assert_eq!(response.header("cross-origin-resource-policy"), Some("same-origin"));
    for cookie in SESSION
        .into_iter()
        .chain([(BOUND, Purpose::DeviceBinding), (KEY, Purpose::DeviceKey)])
    {
        let opened = open(cookie.1, browser.cookie(cookie.0));
        assert_eq!(
            (opened.binding, opened.session),
            (Binding::Bound, session),
            "{cookie:?}"
        );
    }
    let key: Value = serde_json::from_slice(&open(Purpose::DeviceKey, browser.cookie(KEY)).value).unwrap();
    assert_eq!(key, json!({"id": device.identifier, "jwk": device.jwk()}));
    let proof = response
        .set_cookies()
        .into_iter()
        .find(|line| line.starts_with(BOUND))
        .unwrap();
    assert!(
        proof.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=585"),
        "{proof}"
    );
    // The page notices nothing.
    assert!(is_signed_in(&mut browser));
    for endpoint in ["/claims", "/userInfo"] {
        assert_eq!(browser.get(endpoint).status, 200, "{endpoint}");
    }
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(binding(&browser, (AUTH, Purpose::RefreshToken)), Binding::Bound);
    assert_eq!(app.metric("bff_sessions_decided_total{binding=\"bound\"}"), 1);
    assert_eq!(app.metric("bff_device_registrations_total{outcome=\"registered\"}"), 1);
}

#[test]
fn a_key_of_rsa_is_registered_too() {
    let app = TestApp::start_with(ON);
    let (mut browser, offer) = begin(&app);
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let mut device = Device::with(pair.serialize_pem(), jsonwebtoken::Algorithm::RS256);
    assert_eq!(device.register(&mut browser, &offer).status, 200);
    assert_eq!(device.refresh(&mut browser).status, 200);
    assert!(is_signed_in(&mut browser));
}

#[test]
fn without_the_setting_nothing_is_offered_and_there_is_no_registration() {
    let app = TestApp::start();
    let (browser, offer) = begin(&app);
    assert_eq!(offer.header("secure-session-registration"), None);
    assert_eq!(offer.set_cookies().len(), 5);
    for cookie in SESSION {
        assert_eq!(binding(&browser, cookie), Binding::Unbound);
    }
    let request = own_request(&browser, "/dbsc/register").header("secure-session-response", "x");
    let request = request.without("origin").header("origin", "https://www.example.test");
    assert_eq!(request.send(app.address).status, 404);
}

#[test]
fn a_session_without_a_refresh_token_is_not_bound() {
    let app = TestApp::start_with(ON);
    let none = ("refresh_token".to_owned(), serde_json::Value::Null);
    app.authorization_server.state().token_response.extend([none]);
    let (browser, offer) = begin(&app);
    assert_eq!(offer.header("secure-session-registration"), None);
    assert_eq!(binding(&browser, (AT, Purpose::AccessToken)), Binding::Unbound);
}

#[test]
fn a_second_key_ends_the_session_for_both_and_is_an_alert() {
    let app = TestApp::start_with(ON);
    let (mut browser, offer) = begin(&app);
    let mut thief = browser.clone();
    let (mut device, mut other) = (Device::new(), Device::new());
    assert_eq!(device.register(&mut browser, &offer).status, 200);
    let response = other.register(&mut thief, &offer);
    assert_eq!(response.status, 401, "{response:?}");
    assert_eq!(response.json()["code"], "session_expired");
    for visitor in [&mut browser, &mut thief] {
        assert!(!is_signed_in(visitor));
    }
    assert_eq!(device.refresh(&mut browser).status, 401);
    assert_eq!(app.metric("bff_device_registrations_total{outcome=\"repeated\"}"), 1);
    let lines = log_capture::lines();
    assert!(lines.iter().any(|line| line.contains("event=device_key_repeated")));
}

/// A browser sends a request again if its connection breaks before the response.
#[test]
fn the_same_registration_again_is_the_same_session() {
    let app = TestApp::start_with(ON);
    let (mut browser, offer) = begin(&app);
    let mut device = Device::new();
    let request = device.registration(&browser, &offer);
    let mut again = browser.clone();
    assert_eq!(browser.send(&request).status, 200);
    let response = again.send(&request);
    assert_eq!(response.status, 200, "{response:?}");
    device.identifier = response.json()["session_identifier"].as_str().unwrap().to_owned();
    device.challenge.clear();
    assert_eq!(device.refresh(&mut again).status, 200);
    assert!(is_signed_in(&mut again));
    assert_eq!(app.authorization_server.state().reuses, 0);
    assert_eq!(app.metric("bff_sessions_decided_total{binding=\"bound\"}"), 1);
}

#[test]
fn a_script_cannot_register_a_key() {
    let app = TestApp::start_with(ON);
    let (browser, offer) = begin(&app);
    let mut device = Device::new();
    let own = device.registration(&browser, &offer);
    for (name, values) in [
        ("sec-fetch-mode", &["cors", "same-origin", "navigate", "websocket"][..]),
        ("sec-fetch-site", &["same-site", "cross-site", "none"]),
    ] {
        for value in values {
            let response = own.clone().without(name).header(name, value).send(app.address);
            assert_eq!(response.status, 401, "{name}: {value}");
        }
        assert_eq!(own.clone().without(name).send(app.address).status, 401, "no {name}");
        let twice = own.clone().header(name, "no-cors");
        assert_eq!(twice.send(app.address).status, 401, "{name} twice");
    }
    // Older versions of Chromium send none of these headers. A script's POST always has an Origin.
    let bare = own.clone().without("sec-fetch-site").without("sec-fetch-mode");
    assert_eq!(bare.send(app.address).status, 401);
    // Even if a page could send the request, it could not read the response.
    let of_page = own
        .clone()
        .without("origin")
        .header("origin", "https://www.example.test");
    let response = of_page.send(app.address);
    assert!(
        response
            .headers
            .iter()
            .all(|(name, _)| !name.starts_with("access-control")),
        "{response:?}"
    );
    assert_eq!(bare.without("origin").send(app.address).status, 200);
}

#[test]
fn a_registration_that_is_not_by_the_rules_changes_nothing() {
    let app = TestApp::start_with(ON);
    let (mut browser, offer) = begin(&app);
    let (other, offer_of_other) = begin(&app);
    let mut device = Device::new();
    let good = device.registration(&browser, &offer);
    let challenge = device.challenge.clone();
    let with = |token: String| {
        good.clone()
            .without("secure-session-response")
            .header("secure-session-response", token)
    };
    let mut tokens = vec![
        ("another challenge", device.sign(true, &json!({"jti": "x"}))),
        ("no challenge", device.sign(true, &json!({}))),
        ("no key", device.sign(false, &json!({"jti": challenge}))),
        ("the key of another", {
            let [theirs, ours] = [
                Device::new().sign(true, &json!({"jti": challenge})),
                device.sign(true, &json!({"jti": challenge})),
            ];
            let (head, _) = theirs.rsplit_once('.').unwrap();
            format!("{head}.{}", ours.rsplit_once('.').unwrap().1)
        }),
        ("not a token", "x".to_owned()),
        ("empty", String::new()),
    ];
    let mut of_other = Device::new();
    let _ = of_other.registration(&other, &offer_of_other);
    tokens.push((
        "the challenge of another session",
        device.sign(true, &json!({"jti": of_other.challenge})),
    ));
    for (case, header) in [
        (
            "no signature",
            json!({"alg": "none", "typ": "dbsc+jwt", "jwk": device.jwk()}),
        ),
        (
            "symmetric",
            json!({"alg": "HS256", "typ": "dbsc+jwt", "jwk": {"kty": "oct", "k": "AAAA"}}),
        ),
        (
            "another type",
            json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": device.jwk()}),
        ),
        ("no type", json!({"alg": "ES256", "jwk": device.jwk()})),
    ] {
        use base64::Engine;
        let part = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = device.sign(true, &json!({"jti": challenge}));
        let signature = if case == "no signature" {
            ""
        } else {
            signed.rsplit_once('.').unwrap().1
        };
        tokens.push((
            case,
            format!("{}.{}.{signature}", part(&header), part(&json!({"jti": challenge}))),
        ));
    }
    for (case, token) in tokens {
        let response = with(token).send(app.address);
        assert_eq!(response.status, 401, "{case}: {response:?}");
        assert_eq!(response.set_cookies().len(), 0, "{case}");
    }
    assert_eq!(
        good.clone().without("secure-session-response").send(app.address).status,
        401
    );
    assert_eq!(good.clone().without("cookie").send(app.address).status, 401);
    let twice = good.clone().header("secure-session-response", "x");
    assert_eq!(twice.send(app.address).status, 401);
    // None of these requests has registered a key.
    let quoted = good
        .headers
        .iter()
        .find(|(name, _)| name == "secure-session-response")
        .unwrap();
    let response = browser.send(&with(format!("\"{}\"", String::from_utf8_lossy(&quoted.1))));
    assert_eq!(response.status, 200, "{response:?}");
}

#[test]
fn the_cookies_of_a_bound_session_go_when_somebody_else_signs_in() {
    let app = TestApp::start_with(ON);
    let (browser, mut device) = bind(&app);
    let mut browser = browser.sign_in_as("bob");
    for name in [BOUND, KEY] {
        assert!(!browser.cookie_names().contains(&name), "{name}");
    }
    assert_eq!(browser.get("/claims").json()["sub"], "bob");
    // The browser still has the binding of the earlier session, and forgets it.
    assert_eq!(device.refresh(&mut browser).status, 401);
    assert!(is_signed_in(&mut browser));
}
