//! Several applications in one service, selected by host: each with its own client, cookies, keys and origins.

use bff_core::cookie::purpose::Purpose;
use serde_json::json;

use crate::rotation::{NEW, change};
use crate::support::app::{AT, TestApp, wait_until};
use crate::support::authorization_server::{CLIENT_ID, FakeAuthorizationServer};
use crate::support::forgery;
use crate::support::http::{Request, Response};
use crate::support::log_capture;

const A_KEYS: &str = "8f3a1c5e7b9d02468ace13579bdf0246fedcba98765432100f1e2d3c4b5a6978";
const B_KEYS: &str = "1d2c3b4a5968778695a4b3c2d1e0f0f1e2d3c4b5a69788796a5b4c3d2e1f0011";

fn application(name: &str, keys: &str) -> String {
    format!(
        "[applications.{name}]
        hosts = ['api.{name}.test']
        trusted_web_origins = ['https://www.{name}.test']
        keys.ring = '{keys}'
        client.redirect_uri = 'https://www.{name}.test/'\n"
    )
}

fn two_brands() -> TestApp {
    let server = FakeAuthorizationServer::start();
    let config = format!(
        "demo = true
        [server]
        workers = 1
        reread_seconds = 1
        [authorization_server]
        issuer = '{}'
        request_timeout_ms = 3000
        [client]
        id = '{CLIENT_ID}'
        secret = 'the client secret of the tests'
        {}{}",
        server.issuer(),
        application("brand-a", A_KEYS),
        application("brand-b", B_KEYS)
    );
    TestApp::start_configured(server, &config)
}

fn to(brand: &str, method: &str, endpoint: &str) -> Request {
    Request::new(method, &format!("/bff{endpoint}"))
        .header("host", format!("api.{brand}.test"))
        .header("origin", format!("https://www.{brand}.test"))
}

/// Signs in at a brand. Returns the Cookie header.
fn sign_in(app: &TestApp, brand: &str) -> String {
    let start = to(brand, "POST", "/login/start").send(app.address);
    assert_eq!(start.status, 200, "{start:?}");
    let url = start.json()["authorizationRequestUrl"].as_str().unwrap().to_owned();
    let page = app.authorization_server.sign_in(&url, "alice");
    assert!(
        page.as_str().starts_with(&format!("https://www.{brand}.test/")),
        "{page}"
    );
    let end = to(brand, "POST", "/login/end")
        .header("cookie", cookies(&start))
        .json(&json!({"pageUrl": page.as_str()}))
        .send(app.address);
    assert_eq!(end.status, 200, "{end:?}");
    cookies(&end)
}

fn cookies(response: &Response) -> String {
    let pairs = response
        .set_cookies()
        .into_iter()
        .filter(|line| !line.contains("Max-Age=0"));
    pairs
        .map(|line| line.split(';').next().unwrap())
        .collect::<Vec<_>>()
        .join("; ")
}

fn is_logged_in(app: &TestApp, brand: &str, cookies: &str) -> bool {
    let response = to(brand, "GET", "/session").header("cookie", cookies).send(app.address);
    response.json()["isLoggedIn"] == true
}

#[test]
fn each_brand_signs_in_by_itself_and_a_cookie_of_one_never_opens_in_the_other() {
    let app = two_brands();
    let (a, b) = (sign_in(&app, "brand-a"), sign_in(&app, "brand-b"));
    assert!(is_logged_in(&app, "brand-a", &a) && is_logged_in(&app, "brand-b", &b));
    assert!(!is_logged_in(&app, "brand-a", &b) && !is_logged_in(&app, "brand-b", &a));
    let claims = to("brand-b", "GET", "/claims").header("cookie", &a).send(app.address);
    assert_eq!(claims.outcome(), "401 unauthorized_request");
    // Each with its own key.
    let value = a
        .split("; ")
        .find_map(|pair| pair.strip_prefix(&format!("{AT}=")))
        .unwrap();
    let open = |keys| {
        crate::support::forgery::sealer(keys).open(
            Purpose::AccessToken,
            value.as_bytes(),
            crate::support::forgery::now(),
        )
    };
    assert!(open(A_KEYS).is_ok() && open(B_KEYS).is_err());
}

#[test]
fn the_origin_of_one_brand_is_not_trusted_by_the_other() {
    let app = two_brands();
    let request = to("brand-a", "POST", "/login/start")
        .without("origin")
        .header("origin", "https://www.brand-b.test");
    assert_eq!(request.send(app.address).outcome(), "401 unauthorized_request");
}

#[test]
fn a_host_that_belongs_to_no_application_gets_nothing() {
    let app = two_brands();
    for host in [
        "api.other.test",
        "",
        "api.brand-a.test.evil.example",
        "brand-a.test",
        "[::1]:80",
    ] {
        let request = Request::new("GET", "/bff/session").header("host", host);
        assert_eq!(request.send(app.address).outcome(), "404 not_found", "{host}");
    }
    for host in ["API.Brand-A.test", "api.brand-a.test:8443"] {
        let request = Request::new("GET", "/bff/session").header("host", host);
        assert_eq!(request.send(app.address).status, 200, "{host}");
    }
}

#[test]
fn each_has_a_list_of_ended_sessions_of_its_own() {
    let app = two_brands();
    let cookies = sign_in(&app, "brand-a");
    let csrf = to("brand-a", "GET", "/session")
        .header("cookie", &cookies)
        .send(app.address)
        .json()["csrf"]
        .clone();
    let logout = to("brand-a", "POST", "/logout")
        .header("cookie", &cookies)
        .header("x-example-csrf", csrf.as_str().unwrap());
    assert_eq!(logout.send(app.address).status, 200);
    let ended = |brand: &str| {
        app.admin(&format!("/ended-sessions/{brand}")).json()["ended"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((ended("brand-a"), ended("brand-b")), (1, 0));
}

#[test]
fn an_application_that_is_removed_while_the_service_runs_is_an_error_and_the_others_stay_as_they_are() {
    let app = two_brands();
    wait_until("the service is ready", || app.admin("/readyz").status == 200);
    let session = sign_in(&app, "brand-a");
    let brand_b = application("brand-b", B_KEYS);
    change(&app, &brand_b, "# none");
    let why = "applications: `brand-b` was removed: restart the service";
    wait_until(why, || {
        let lines = log_capture::lines();
        app.metric("bff_reread_refused") == 1 && lines.iter().any(|line| line.contains(why))
    });
    assert!(is_logged_in(&app, "brand-a", &session));
    change(&app, "# none", &brand_b);
    wait_until("the configuration is accepted", || {
        app.metric("bff_reread_refused") == 0
    });
}

/// Like every other change that needs a restart: it must not delay a rotation after a leak.
#[test]
fn an_application_that_is_added_waits_for_a_restart_and_keys_of_the_others_rotate_meanwhile() {
    let app = two_brands();
    wait_until("the service is ready", || app.admin("/readyz").status == 200);
    let session = sign_in(&app, "brand-a");
    let brand_b = application("brand-b", B_KEYS);
    let brand_c = application("brand-c", &B_KEYS.replace("1d", "2e"));
    change(&app, &brand_b, &format!("{brand_b}{brand_c}"));
    change(&app, A_KEYS, &format!("{NEW},{A_KEYS}"));
    wait_until("the new key seals", || {
        let cookies = sign_in(&app, "brand-a");
        let start = format!("{AT}=");
        let sealed = cookies.split("; ").find_map(|pair| pair.strip_prefix(&start)).unwrap();
        let opened = forgery::sealer(NEW).open_in_any(Purpose::AccessToken, sealed.as_bytes(), forgery::now());
        opened.is_ok()
    });
    assert_eq!(app.metric("bff_reread_refused"), 0);
    assert!(is_logged_in(&app, "brand-a", &session));
}
