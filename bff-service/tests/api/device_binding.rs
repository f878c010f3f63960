//! Sessions that are bound to a device: each request needs the proof, and a new proof requires a signature.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;
use serde_json::json;

use crate::rotation::{NEW, change};
use crate::support::app::{AT, AUTH, BOUND, CSRF, ID, KEY, KEYS, Setup, TestApp, wait_until};
use crate::support::browser::Browser;
use crate::support::device::{Device, ON, SESSION, begin, bind, is_signed_in};
use crate::support::forgery::{now, sealer};
use crate::support::http::Request;

/// What a copy of the cookies has instead of a proof.
type Case<'a> = (&'static str, &'a dyn Fn(&mut Browser<'_>));

#[test]
fn without_a_proof_each_endpoint_refuses_a_bound_session_and_logout_ends_it() {
    let app = TestApp::start_with(ON);
    let (browser, _) = bind(&app);
    let expired = |browser: &mut Browser<'_>| {
        browser.reseal(BOUND, Purpose::DeviceBinding, |cookie| {
            cookie.expires_at = cookie.began_at;
        });
    };
    let of_other = |browser: &mut Browser<'_>| {
        let other = bind(&app).0.cookie(BOUND).to_owned();
        browser.replace_cookie(BOUND, &other);
    };
    let removed = |browser: &mut Browser<'_>| browser.remove_cookie(BOUND);
    let unbound = |browser: &mut Browser<'_>| {
        browser.reseal(BOUND, Purpose::DeviceBinding, |cookie| {
            cookie.binding = Binding::Unbound
        });
    };
    let another = |browser: &mut Browser<'_>| {
        let csrf = browser.cookie(CSRF).to_owned();
        browser.replace_cookie(BOUND, &csrf);
    };
    let cases: [Case<'_>; 5] = [
        ("expired", &expired),
        ("of another session", &of_other),
        ("removed", &removed),
        ("not of a bound session", &unbound),
        ("another cookie", &another),
    ];
    for (case, change) in cases {
        let mut thief = browser.clone();
        change(&mut thief);
        for (method, endpoint) in [
            ("GET", "/claims"),
            ("GET", "/userInfo"),
            ("POST", "/refresh"),
            ("POST", "/touch"),
        ] {
            let response = thief.send(&thief.request(method, endpoint));
            assert_eq!(response.status, 401, "{case} {endpoint}: {response:?}");
            assert_eq!(response.json()["code"], "device_binding_required", "{case} {endpoint}");
            // The response clears an invalid proof, so that the browser gets another.
            let was_sent = case != "removed" && endpoint == "/claims";
            assert_eq!(response.set_cookies().len(), usize::from(was_sent), "{case} {endpoint}");
        }
        assert!(!is_signed_in(&mut thief), "{case}");
        let page = thief.load_page("https://www.example.test/");
        assert_eq!(page.json(), json!({"handled": false, "isLoggedIn": false}), "{case}");
    }
    let mut leaving = browser.clone();
    leaving.remove_cookie(BOUND);
    assert_eq!(leaving.post("/logout").status, 200);
    assert!(!is_signed_in(&mut browser.clone()));
}

#[test]
fn parts_of_a_bound_session_are_refused_too() {
    let app = TestApp::start_with(ON);
    let (browser, _) = bind(&app);
    for kept in [
        &[AT, CSRF][..],
        &[CSRF, ID],
        &[CSRF, AUTH],
        &[AT, ID],
        &[CSRF, ID, AUTH],
    ] {
        let mut thief = browser.clone();
        for (name, _) in SESSION {
            if !kept.contains(&name) {
                thief.remove_cookie(name);
            }
        }
        thief.remove_cookie(BOUND);
        assert!(!is_signed_in(&mut thief), "{kept:?}");
        for (method, endpoint) in [("GET", "/claims"), ("GET", "/userInfo"), ("POST", "/refresh")] {
            assert_eq!(
                thief.send(&thief.request(method, endpoint)).status,
                401,
                "{kept:?} {endpoint}"
            );
        }
    }
}

#[test]
fn a_new_proof_is_for_a_signature_and_each_challenge_counts_once() {
    let app = TestApp::start_with(ON);
    let (mut browser, mut device) = bind(&app);
    let first = browser.cookie(BOUND).to_owned();
    let asked = browser.send(&device.proof(&browser));
    assert_eq!(asked.status, 403);
    assert_eq!(asked.json()["code"], "device_challenge");
    assert!(asked.header("secure-session-challenge").is_some());
    assert_eq!(asked.header("cross-origin-resource-policy"), Some("same-origin"));
    let response = device.refresh(&mut browser);
    assert_eq!(response.status, 200, "{response:?}");
    assert_ne!(browser.cookie(BOUND), first);
    assert_eq!(
        response.json()["session_identifier"].as_str(),
        Some(&*device.identifier)
    );
    assert_eq!(response.set_cookies().len(), 1);
    // With the challenge of the last response, one request is enough.
    let (signed, before) = (
        device.proof(&browser),
        app.metric("bff_device_proofs_total{outcome=\"challenged\"}"),
    );
    assert_eq!(browser.send(&signed).status, 200);
    assert_eq!(app.metric("bff_device_proofs_total{outcome=\"challenged\"}"), before);
    // A second tab, or a browser that lost a response, sends such a request: it gets a new challenge, and the session
    // does not end.
    let again = browser.send(&signed);
    assert_eq!((again.status, again.set_cookies().len()), (403, 0));
    assert!(again.header("secure-session-challenge").is_some());
    assert!(is_signed_in(&mut browser));
    assert!(app.metric("bff_device_proofs_total{outcome=\"proven\"}") >= 2);
}

#[test]
fn a_proof_that_is_not_by_the_rules_is_refused_without_a_challenge() {
    let app = TestApp::start_with(ON);
    let (mut browser, mut device) = bind(&app);
    assert_eq!(device.refresh(&mut browser).status, 200);
    let signed = device.proof(&browser);
    let with = |token: String| {
        signed
            .clone()
            .without("secure-session-response")
            .header("secure-session-response", token)
    };
    let claims = json!({"jti": device.challenge});
    let other = Device::new();
    for (case, request) in [
        ("another key", with(other.sign(false, &claims))),
        ("another key in the header", with(other.sign(true, &claims))),
        ("no token", with("x".to_owned())),
        ("no identifier", signed.clone().without("sec-secure-session-id")),
        (
            "another identifier",
            signed
                .clone()
                .without("sec-secure-session-id")
                .header("sec-secure-session-id", "x"),
        ),
        (
            "a script",
            signed
                .clone()
                .without("sec-fetch-mode")
                .header("sec-fetch-mode", "cors"),
        ),
        ("no cookies", signed.clone().without("cookie")),
    ] {
        let response = request.send(app.address);
        assert_eq!(response.status, 401, "{case}: {response:?}");
        assert_eq!(response.header("secure-session-challenge"), None, "{case}");
        assert_eq!(response.set_cookies().len(), 0, "{case}");
    }
    // A valid signature over anything else than a challenge leads to a new challenge.
    for jti in ["x", ""] {
        let response = with(device.sign(false, &json!({"jti": jti}))).send(app.address);
        assert_eq!(response.status, 403, "{response:?}");
    }
    let quoted = signed
        .without("sec-secure-session-id")
        .header("sec-secure-session-id", format!("\"{}\"", device.identifier));
    assert_eq!(browser.send(&quoted).status, 200);
}

#[test]
fn the_key_of_another_session_proves_nothing() {
    let app = TestApp::start_with(ON);
    let ((mut alice, _), (mallory, mut device)) = (bind(&app), bind(&app));
    // A page of a sibling domain can set this cookie, which is not host-locked.
    let theirs = mallory.cookie(KEY).to_owned();
    alice.plant(KEY, "/bff/dbsc", &theirs);
    alice.replace_cookie(BOUND, "x");
    let response = device.refresh(&mut alice);
    assert_eq!(response.status, 401, "{response:?}");
    assert!(!is_signed_in(&mut alice));
}

#[test]
fn the_end_of_a_session_ends_its_proofs() {
    let app = TestApp::start_with(ON);
    let (browser, mut device) = bind(&app);
    let (mut copy, mut leaving) = (browser.clone(), browser.clone());
    let response = leaving.post("/logout");
    assert_eq!(response.status, 200);
    let cleared = |name: &str| {
        response
            .set_cookies()
            .iter()
            .any(|line| line.starts_with(name) && line.contains("Max-Age=0"))
    };
    for name in [AT, AUTH, ID, CSRF, BOUND, KEY] {
        assert!(cleared(name), "{name}");
    }
    let response = device.refresh(&mut copy);
    assert_eq!(response.status, 401);
    assert_eq!(response.header("secure-session-challenge"), None);
}

#[test]
fn what_a_thief_of_provisional_cookies_ends_is_ended() {
    let app = TestApp::start_with(ON);
    let (mut browser, offer) = begin(&app);
    let mut thief = browser.clone();
    assert_eq!(Device::new().register(&mut browser, &offer).status, 200);
    assert_eq!(thief.post("/logout").status, 200);
    assert!(!is_signed_in(&mut browser));
}

#[test]
fn cookie_keys_rotate_twice_under_a_bound_session_and_the_first_key_is_removed() {
    let app = TestApp::start_with(Setup {
        server: "reread_seconds = 1",
        ..ON
    });
    let (mut browser, mut device) = bind(&app);
    let keys = KEYS.split(',').map(str::trim).collect::<Vec<_>>();
    let sealer = sealer(&format!("{NEW},{KEYS}"));
    let opened = |browser: &Browser<'_>, (name, purpose): (&str, Purpose)| {
        let value = browser.cookie(name).as_bytes();
        sealer.open_in_any(purpose, value, now()).unwrap()
    };
    let mut ring = KEYS.to_owned();
    for next in [[keys[1], keys[0]], [NEW, keys[1]]].map(|keys| keys.join(",")) {
        let before = opened(&browser, (BOUND, Purpose::DeviceBinding)).key_id;
        change(&app, &format!("ring = '{ring}'"), &format!("ring = '{next}'"));
        ring = next;
        wait_until("the new ring", || {
            device.refresh(&mut browser);
            opened(&browser, (BOUND, Purpose::DeviceBinding)).key_id != before
        });
        assert_eq!(browser.post("/refresh").status, 204);
        for cookie in SESSION.into_iter().chain([(KEY, Purpose::DeviceKey)]) {
            let opened = opened(&browser, cookie);
            assert_ne!(opened.key_id, before, "{cookie:?}");
            assert_eq!(opened.binding, Binding::Bound, "{cookie:?}");
        }
    }
    assert!(is_signed_in(&mut browser));
}

/// For example while the service restarts, or after as many signatures as the browser's quota allows.
#[test]
fn a_browser_that_could_not_get_a_proof_now_is_not_signed_out() {
    let app = TestApp::start_with(ON);
    let (mut browser, mut device) = bind(&app);
    browser.remove_cookie(BOUND);
    let own = format!("unreachable;session_identifier=\"{}\"", device.identifier);
    let of_other = browser
        .request("GET", "/session")
        .header("secure-session-skipped", "unreachable;session_identifier=\"x\"");
    assert_eq!(browser.send(&of_other).json()["isLoggedIn"], false);
    let skipped = |request: Request| request.header("secure-session-skipped", &own);
    let session = browser.send(&skipped(browser.request("GET", "/session")));
    let page = browser
        .request("POST", "/login/end")
        .json(&json!({"pageUrl": "https://www.example.test/"}));
    for response in [session, browser.send(&skipped(page))] {
        assert_eq!(response.status, 503, "{response:?}");
        assert_eq!(response.json()["code"], "refresh_unavailable");
        assert_eq!(response.header("retry-after"), Some("5"));
    }
    // The header proves nothing.
    let claims = browser.send(&skipped(browser.request("GET", "/claims")));
    assert_eq!(claims.json()["code"], "device_binding_required");
    assert_eq!(device.refresh(&mut browser).status, 200);
    assert!(is_signed_in(&mut browser));
}

/// A replica may not yet have the new key of the ring. HTTP 401 would make the browser forget the binding.
#[test]
fn a_proof_is_put_off_while_cookies_name_a_key_that_is_not_in_the_ring_or_belong_to_two_sessions() {
    let app = TestApp::start_with(ON);
    let ((browser, device), (other, _)) = (bind(&app), bind(&app));
    let unknown = "5c1f0a9be3d7284655aa93c10fe27b8d6c40195eab3287f6d01c9e8a7b6f5d43".to_owned();
    for (name, purpose) in [
        (KEY, Purpose::DeviceKey),
        (AT, Purpose::AccessToken),
        (CSRF, Purpose::Csrf),
    ] {
        let mut visitor = browser.clone();
        visitor.reseal(name, purpose, |cookie| cookie.keys.clone_from(&unknown));
        if name != KEY {
            visitor.remove_cookie(if name == AT { CSRF } else { AT });
        }
        let response = visitor.send(&device.proof(&visitor));
        assert_eq!(response.status, 503, "{name}: {response:?}");
        assert_eq!(response.json()["code"], "refresh_unavailable", "{name}");
    }
    let mut mixed = browser.clone();
    mixed.plant(AT, "/bff", other.cookie(AT));
    assert_eq!(mixed.send(&device.proof(&mixed)).status, 503);
    let of_two_sessions = "bff_refusals_total{endpoint=\"device_proof\",reason=\"cookies_mixed\"}";
    assert_eq!(app.metric(of_two_sessions), 1);
    let mut altered = browser.clone();
    altered.replace_cookie(KEY, "x");
    assert_eq!(altered.send(&device.proof(&altered)).status, 401);
}

#[test]
fn a_challenge_is_no_refusal() {
    let app = TestApp::start_with(ON);
    let (mut browser, device) = bind(&app);
    assert_eq!(browser.send(&device.proof(&browser)).status, 403);
    assert_eq!(app.metric("bff_device_proofs_total{outcome=\"challenged\"}"), 1);
    assert_eq!(
        app.metric("bff_requests_total{endpoint=\"device_proof\",outcome=\"device_challenge\"}"),
        1
    );
    assert!(
        !app.admin("/metrics")
            .body
            .contains("bff_refusals_total{endpoint=\"device_proof\"")
    );
}

/// All these values are sealed with the same keys, and the same browser has them.
#[test]
fn nothing_else_that_is_sealed_is_a_proof_a_key_or_a_challenge() {
    let app = TestApp::start_with(ON);
    let ((mut browser, offer), mut device) = (begin(&app), Device::new());
    assert_eq!(device.register(&mut browser, &offer).status, 200);
    let offered = offer.header("secure-session-registration").unwrap();
    let offered = offered
        .rsplit_once("challenge=\"")
        .unwrap()
        .1
        .trim_end_matches('"')
        .to_owned();
    assert_eq!(browser.send(&device.proof(&browser)).status, 403);
    assert_eq!(device.refresh(&mut browser).status, 200);
    let challenge = device.challenge.clone();
    let sealed: Vec<(&str, String)> = [AT, AUTH, ID, CSRF, BOUND, KEY]
        .map(|name| (name, browser.cookie(name).to_owned()))
        .into_iter()
        .chain([("an offer", offered), ("a challenge", challenge)])
        .collect();
    let own = |place: &'static str| sealed.iter().filter(move |(name, _)| *name != place);
    for (name, value) in own(BOUND) {
        let mut visitor = browser.clone();
        visitor.replace_cookie(BOUND, value);
        assert!(!is_signed_in(&mut visitor), "{name} as a proof");
    }
    for (name, value) in own(KEY) {
        let mut visitor = browser.clone();
        visitor.replace_cookie(KEY, value);
        assert_eq!(visitor.send(&device.proof(&visitor)).status, 401, "{name} as a key");
    }
    let signed = |value: &str| device.sign(false, &json!({"jti": value}));
    for (name, value) in own("a challenge") {
        let request = device.proof(&browser).without("secure-session-response");
        let response = browser
            .clone()
            .send(&request.header("secure-session-response", signed(value)));
        assert_eq!(
            (response.status, response.set_cookies().len()),
            (403, 0),
            "{name} as a challenge"
        );
    }
    for (name, value) in own("an offer") {
        let ((mut visitor, offer), other) = (begin(&app), Device::new());
        let request = Device::new()
            .registration(&visitor, &offer)
            .without("secure-session-response");
        let token = other.sign(true, &json!({"jti": value}));
        let response = visitor.send(&request.header("secure-session-response", token));
        assert_eq!(
            (response.status, response.set_cookies().len()),
            (401, 0),
            "{name} as an offer"
        );
    }
}
