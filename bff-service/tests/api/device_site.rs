//! Bound sessions and sites: sessions whose cookies all hosts of a site get (`cookie_domain`), and sessions that begin
//! with a navigation.

use serde_json::json;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;

use crate::navigation;
use crate::support::app::{AT, Setup, TestApp};
use crate::support::device::{Device, ON, begin, binding};
use crate::support::http::Request;

const SITE: Setup<'static> = Setup {
    top: "cookie_domain = 'example.test'\nhosts = ['api.example.test:8443', 'api.example.test']",
    ..ON
};

const BOUND: &str = "__Http-example-bound";

#[test]
fn the_browser_asks_for_proofs_for_all_hosts_of_the_site_and_on_behalf_of_the_site() {
    let app = TestApp::start_with(SITE);
    let (mut browser, offer) = begin(&app);
    let mut device = Device::new();
    let request = device
        .registration(&browser, &offer)
        .header("host", "api.example.test:8443");
    let response = browser.send(&request);
    assert_eq!(response.status, 200, "{response:?}");
    let instructions = response.json();
    assert_eq!(
        instructions["scope"],
        json!({
            "origin": "https://example.test:8443",
            "include_site": true,
            "scope_specification": [{"type": "exclude", "domain": "*", "path": "/bff/dbsc"}],
        })
    );
    assert_eq!(
        instructions["credentials"][0],
        json!({
            "type": "cookie",
            "name": BOUND,
            "attributes": "Path=/; Domain=example.test; Secure; HttpOnly; SameSite=Strict",
        })
    );
    assert!(
        response
            .set_cookies()
            .iter()
            .any(|line| line.starts_with(BOUND) && line.contains("; Domain=example.test;"))
    );
    device.identifier = instructions["session_identifier"].as_str().unwrap().to_owned();
    device.challenge.clear();
    let of_site = |request: Request| request.without("sec-fetch-site").header("sec-fetch-site", "same-site");
    assert_eq!(browser.send(&of_site(device.proof(&browser))).status, 403);
    let cross_site = device
        .proof(&browser)
        .without("sec-fetch-site")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(browser.send(&cross_site).status, 401);
    assert_eq!(device.refresh(&mut browser).status, 200);
}

#[test]
fn a_registration_on_behalf_of_the_site_is_refused() {
    let app = TestApp::start_with(SITE);
    let (mut browser, offer) = begin(&app);
    let request = Device::new().registration(&browser, &offer);
    let request = request.without("sec-fetch-site").header("sec-fetch-site", "same-site");
    assert_eq!(browser.send(&request).status, 401);
}

#[test]
fn the_browser_learns_which_origins_may_register_for_the_site() {
    let path = "/.well-known/device-bound-sessions";
    let app = TestApp::start_with(SITE);
    let response = Request::new("GET", path)
        .header("host", "example.test")
        .send(app.address);
    assert_eq!(
        (response.status, response.header("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(
        response.json(),
        json!({"registering_origins": ["https://api.example.test:8443", "https://api.example.test"]})
    );
    assert_eq!(Request::new("POST", path).send(app.address).status, 401);
    for setup in [ON, Setup::default()] {
        let app = TestApp::start_with(setup);
        assert_eq!(Request::new("GET", path).send(app.address).status, 404);
    }
}

/// After a navigation from another site, a browser sends no `SameSite=Strict` cookies with the registration either.
#[test]
fn a_navigation_from_the_same_site_offers_a_registration_and_one_from_another_site_does_not() {
    let app = TestApp::start_with(Setup {
        more: navigation::ON.more,
        ..ON
    });
    for (site, is_offered) in [
        (Some("same-site"), true),
        (Some("same-origin"), true),
        (Some("none"), true),
        (Some("cross-site"), false),
        (None, false),
    ] {
        let mut browser = app.browser();
        let target = navigation::authorize(&mut browser, "/login");
        let request = browser.request("GET", &target).without("origin");
        let response = browser.send(&match site {
            Some(site) => request
                .header("sec-fetch-site", site)
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-dest", "document"),
            None => request,
        });
        assert_eq!(response.status, 302, "{site:?}: {response:?}");
        let is_here = response.header("secure-session-registration").is_some();
        assert_eq!(is_here, is_offered, "{site:?}");
        let expected = if is_offered {
            Binding::Provisional
        } else {
            Binding::Unbound
        };
        assert_eq!(binding(&browser, (AT, Purpose::AccessToken)), expected, "{site:?}");
    }
}
