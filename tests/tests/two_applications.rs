//! Two applications with web domains of their own, one authorization server, one Envoy and one service: the cookies of one
//! application are invalid at the other.

use std::sync::OnceLock;

use bff_tests::applications::{APPLICATIONS, start_applications};
use bff_tests::http1::Request;
use bff_tests::setup::{TestSystem, eventually};
use bff_tests::user_agent::UserAgent;

fn system() -> &'static TestSystem {
    static SYSTEM: OnceLock<TestSystem> = OnceLock::new();
    SYSTEM.get_or_init(start_applications)
}

/// A user of each application.
fn signed_in() -> [UserAgent; 2] {
    APPLICATIONS.each_ref().map(|application| {
        let mut user = UserAgent::of_application(&system().system, application.domain, application.name);
        user.sign_in();
        user
    })
}

fn is_logged_in(user: &UserAgent) -> bool {
    user.send(&user.bff_request("GET", "/bff/session")).json()["isLoggedIn"] == true
}

#[test]
fn each_brand_has_a_session_of_its_own_with_cookies_of_its_own() {
    let mut users = signed_in();
    for (user, application) in users.iter_mut().zip(&APPLICATIONS) {
        assert_eq!(user.get_data().status, 200, "{}", application.name);
        let post = user.api_request("POST").json(&serde_json::json!({"item": "a thing"}));
        assert_eq!(user.send(&post).status, 200, "{}", application.name);
        assert!(is_logged_in(user));
        assert_eq!(user.bff("POST", "/bff/refresh").status, 204, "{}", application.name);
        assert_eq!(user.get_data().status, 200, "{}", application.name);
        let prefixed = |name: &String| name.contains(&format!("-{}-", application.name));
        assert!(user.cookies.keys().all(prefixed), "{:?}", user.cookies.keys());
    }
}

#[test]
fn a_cookie_of_one_brand_is_refused_at_the_other_also_under_its_names() {
    let [a, b] = signed_in();
    let pairs = [(&a, &b, "brand-a", "brand-b"), (&b, &a, "brand-b", "brand-a")];
    for (user, other, name, other_name) in pairs {
        for rename in [false, true] {
            let mut stranger = other.clone();
            stranger.csrf = user.csrf.clone();
            stranger.cookies = user
                .cookies
                .iter()
                .map(|(cookie, value)| match rename {
                    true => (cookie.replace(name, other_name), value.clone()),
                    false => (cookie.clone(), value.clone()),
                })
                .collect();
            assert_eq!(stranger.get_data().status, 401, "{name} renamed: {rename}");
            assert!(!is_logged_in(&stranger), "{name} renamed: {rename}");
            let refresh = stranger.send(&stranger.bff_request("POST", "/bff/refresh"));
            assert_eq!((refresh.status, refresh.code().as_str()), (401, "unauthorized_request"));
        }
    }
    assert!(is_logged_in(&a) && is_logged_in(&b), "nobody was logged out by it");
}

#[test]
fn the_origin_of_one_brand_is_refused_at_the_other() {
    let [a, b] = signed_in();
    for (user, other) in [(&a, &b), (&b, &a)] {
        let mut page = user.clone();
        page.origin = other.origin.clone();
        assert_eq!(page.get_data().status, 401);
        assert_eq!(page.send(&page.bff_request("GET", "/bff/session")).status, 401);
        assert_eq!(page.bff("POST", "/bff/login/start").status, 401);
        for (path, origin, allowed) in [
            ("/api/data", &user.origin, true),
            ("/bff/session", &user.origin, true),
            ("/api/data", &other.origin, false),
            ("/bff/session", &other.origin, false),
        ] {
            let preflight = Request::new("OPTIONS", path)
                .header("origin", origin)
                .header("access-control-request-method", "GET");
            let response = user.send(&preflight);
            let header = response.header("access-control-allow-origin");
            assert_eq!(header == Some(origin.as_str()), allowed, "{path} {origin}");
        }
    }
}

#[test]
fn signing_out_of_one_brand_leaves_the_other() {
    let [mut a, mut b] = signed_in();
    let stolen = a.clone();
    assert_eq!(a.bff("POST", "/bff/logout").status, 200);
    assert!(!is_logged_in(&a));
    assert!(!is_logged_in(&stolen));
    eventually("the filter of the application knows", || {
        stolen.get_data().status == 401
    });
    assert!(is_logged_in(&b));
    assert_eq!(b.get_data().status, 200);
    assert_eq!(b.bff("POST", "/bff/refresh").status, 204);
}

#[test]
fn a_host_that_is_no_brands_has_no_application() {
    let user = UserAgent::new(&system().system);
    assert_eq!(user.send(&Request::new("GET", "/bff/session")).status, 404);
    assert_eq!(user.get_data().status, 404);
}
