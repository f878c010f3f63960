//! Sessions that the browser may still bind to a device, and requests that are in flight during the registration.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;

use crate::support::app::{AT, AUTH, Setup, TestApp};
use crate::support::authorization_server::Misbehaviour;
use crate::support::browser::Browser;
use crate::support::device::{Device, ON, SESSION, begin, binding, is_signed_in};
use crate::support::forgery::{now, open};

/// Sets the start of this browser's session to this many seconds earlier, in the refresh token cookie. If the access token
/// cookie had the earlier start as well, the session would have begun before the service started.
fn age(browser: &mut Browser<'_>, seconds: u64) {
    browser.reseal(AUTH, Purpose::RefreshToken, |cookie| cookie.began_at -= seconds);
}

#[test]
fn provisional_cookies_are_short_lived_and_a_refresh_after_the_first_minute_makes_them_ordinary() {
    let app = TestApp::start_with(ON);
    let (mut browser, _) = begin(&app);
    let began_at = open(Purpose::AccessToken, browser.cookie(AT)).began_at;
    for cookie in SESSION {
        assert_eq!(binding(&browser, cookie), Binding::Provisional, "{cookie:?}");
        let lifetime = open(cookie.1, browser.cookie(cookie.0)).expires_at - began_at;
        assert_eq!(lifetime, if cookie.0 == AT { 120 } else { 3600 }, "{cookie:?}");
    }
    // In the first minute the browser may still register a key.
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(binding(&browser, (AT, Purpose::AccessToken)), Binding::Provisional);
    assert_eq!(
        open(Purpose::AccessToken, browser.cookie(AT)).expires_at,
        began_at + 120
    );
    assert_eq!(app.metric("bff_sessions_decided_total{binding=\"unbound\"}"), 0);
    age(&mut browser, 61);
    let mut copy = browser.clone();
    assert_eq!(browser.post("/refresh").status, 204);
    for cookie in SESSION {
        assert_eq!(binding(&browser, cookie), Binding::Unbound, "{cookie:?}");
        assert!(
            open(cookie.1, browser.cookie(cookie.0)).expires_at > now() + 200,
            "{cookie:?}"
        );
    }
    assert_eq!(app.metric("bff_sessions_decided_total{binding=\"unbound\"}"), 1);
    // A late call of another tab gets the cookies of the same session.
    assert_eq!(copy.post("/refresh").status, 204);
    assert!(is_signed_in(&mut browser));
    assert_eq!(app.authorization_server.state().reuses, 0);
    assert_eq!(app.metric("bff_sessions_decided_total{binding=\"unbound\"}"), 1);
}

#[test]
fn who_copies_the_cookies_before_the_registration_has_nothing_after_it() {
    let app = TestApp::start_with(ON);
    let (mut browser, offer) = begin(&app);
    let mut thief = browser.clone();
    let mut device = Device::new();
    assert_eq!(device.register(&mut browser, &offer).status, 200);
    // Requests that were in flight are not refused, but get no cookies.
    let response = thief.post("/refresh");
    assert_eq!((response.status, response.set_cookies().len()), (204, 0));
    let response = thief.get("/session");
    assert_eq!(response.json()["isLoggedIn"], true);
    assert_eq!(response.set_cookies().len(), 0);
    // No response offers the thief a registration.
    for endpoint in ["/session", "/claims", "/userInfo"] {
        assert_eq!(thief.get(endpoint).header("secure-session-registration"), None);
    }
    let page = thief.load_page("https://www.example.test/");
    assert_eq!(page.header("secure-session-registration"), None);
    assert!(is_signed_in(&mut browser));
    assert_eq!(browser.post("/refresh").status, 204);
}

#[test]
fn after_the_decision_that_a_session_is_not_bound_no_key_is_registered() {
    let app = TestApp::start_with(ON);
    let (mut browser, offer) = begin(&app);
    let mut late = browser.clone();
    age(&mut browser, 61);
    assert_eq!(browser.post("/refresh").status, 204);
    // The cookies from before the binding decision, and those from after it.
    for visitor in [&mut late, &mut browser] {
        let response = Device::new().register(visitor, &offer);
        assert_eq!(
            (response.status, response.set_cookies().len()),
            (401, 0),
            "{response:?}"
        );
    }
    assert!(is_signed_in(&mut browser));
}

#[test]
fn one_of_two_responses_to_a_login_offers_a_registration_and_both_have_provisional_cookies() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let mut late = browser.clone();
    let first = browser.load_page(page_url.as_str());
    let second = late.load_page(page_url.as_str());
    assert!(first.header("secure-session-registration").is_some());
    assert_eq!(second.header("secure-session-registration"), None);
    for visitor in [&browser, &late] {
        assert_eq!(binding(visitor, (AUTH, Purpose::RefreshToken)), Binding::Provisional);
    }
}

/// The response to a refresh in progress may reach the browser after the response to the registration.
#[test]
fn provisional_cookies_over_those_of_the_bound_session_are_cookies_of_the_bound_session() {
    let app = TestApp::start_with(ON);
    let (mut browser, offer) = begin(&app);
    let before = browser.cookies.clone();
    let mut device = Device::new();
    assert_eq!(device.register(&mut browser, &offer).status, 200);
    browser.cookies.extend(before);
    assert_eq!(binding(&browser, (AUTH, Purpose::RefreshToken)), Binding::Provisional);
    assert!(is_signed_in(&mut browser));
    assert_eq!(browser.post("/refresh").status, 204);
    for cookie in SESSION {
        assert_eq!(binding(&browser, cookie), Binding::Bound, "{cookie:?}");
    }
    assert_eq!(device.refresh(&mut browser).status, 200);
    assert_eq!(app.authorization_server.state().reuses, 0);
}

#[test]
fn a_session_is_bound_also_while_the_authorization_server_is_away_and_continues_when_it_is_back() {
    let app = TestApp::start_with(ON);
    let (mut browser, offer) = begin(&app);
    app.authorization_server
        .misbehave("token", Misbehaviour::Respond(503, String::new()));
    let mut device = Device::new();
    let response = device.register(&mut browser, &offer);
    assert_eq!(response.status, 200, "{response:?}");
    app.authorization_server.behave();
    assert!(is_signed_in(&mut browser));
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(device.refresh(&mut browser).status, 200);
    assert_eq!(app.authorization_server.state().reuses, 0);
}

#[test]
fn a_registration_joins_a_refresh_that_is_in_progress() {
    let app = TestApp::start_with(ON);
    let (browser, offer) = begin(&app);
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let mut device = Device::new();
    let registration = device.registration(&browser, &offer);
    let before = app.authorization_server.requests("token");
    let (refresh, registered) = std::thread::scope(|scope| {
        let refresh = scope.spawn(|| browser.clone().post("/refresh"));
        app.authorization_server.wait_for_requests("token", before + 1);
        let mut bound = browser.clone();
        let registered = scope.spawn(move || (bound.send(&registration), bound));
        // It joins the refresh, or gets the result a moment later.
        std::thread::sleep(std::time::Duration::from_millis(300));
        app.authorization_server.behave();
        (refresh.join().unwrap(), registered.join().unwrap())
    });
    assert_eq!(refresh.status, 204, "{refresh:?}");
    let (response, bound) = registered;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(app.authorization_server.requests("token"), before + 1);
    // The responses reach the browser in either order.
    for responses in [[&refresh, &response], [&response, &refresh]] {
        let mut browser = bound.clone();
        for response in responses {
            browser.take_cookies(response);
        }
        assert_eq!(browser.post("/refresh").status, 204);
        assert_eq!(binding(&browser, (AUTH, Purpose::RefreshToken)), Binding::Bound);
        assert!(is_signed_in(&mut browser));
    }
    assert_eq!(app.authorization_server.state().reuses, 0);
}

#[test]
fn a_user_who_signs_out_during_the_registration_is_signed_out() {
    let app = TestApp::start_with(ON);
    let (browser, offer) = begin(&app);
    let before = app.authorization_server.requests("token");
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let registration = Device::new().registration(&browser, &offer);
    let response = std::thread::scope(|scope| {
        let mut registering = browser.clone();
        let registered = scope.spawn(move || registering.send(&registration));
        app.authorization_server.wait_for_requests("token", before + 1);
        assert_eq!(browser.clone().post("/logout").status, 200);
        app.authorization_server.behave();
        registered.join().unwrap()
    });
    // Whatever the result of the refresh, the browser gets no cookies, and loses none of a newer session.
    assert_eq!(
        (response.status, response.set_cookies().len()),
        (401, 0),
        "{response:?}"
    );
    assert_eq!(app.metric("bff_sessions_decided_total{binding=\"bound\"}"), 0);
}

#[test]
fn a_session_that_may_be_bound_is_over_when_the_browser_has_another() {
    let app = TestApp::start_with(ON);
    let (browser, offer) = begin(&app);
    let (mut copy, mut late) = (browser.clone(), browser.clone());
    let mut browser = browser.sign_in_as("bob");
    // The registration of the earlier session is in progress, and must not write cookies over the new ones.
    let response = Device::new().register(&mut late, &offer);
    assert_eq!((response.status, response.set_cookies().len()), (401, 0));
    // Requests in flight of the earlier session are answered, and get no cookies.
    let response = copy.post("/refresh");
    assert_eq!((response.status, response.set_cookies().len()), (204, 0));
    let response = copy.post("/touch");
    assert_eq!((response.status, response.set_cookies().len()), (200, 0));
    assert_eq!(browser.get("/claims").json()["sub"], "bob");
    assert_eq!(app.metric("bff_device_registrations_total{outcome=\"repeated\"}"), 0);
}

#[test]
fn the_idle_time_is_the_configured_one_also_while_a_session_may_be_bound() {
    let app = TestApp::start_with(Setup {
        session: "device_binding = 'where_supported'\nmax_idle_seconds = 28800",
        ..ON
    });
    let (mut browser, offer) = begin(&app);
    let idle = |browser: &mut Browser<'_>| browser.get("/session").json()["idleExpiresIn"].as_u64().unwrap();
    assert!(idle(&mut browser) > 28_700);
    let mut bound = browser.clone();
    assert_eq!(Device::new().register(&mut bound, &offer).status, 200);
    assert!(idle(&mut bound) > 28_700);
    let mut unbound = begin(&app).0;
    age(&mut unbound, 61);
    assert_eq!(unbound.post("/refresh").status, 204);
    assert!(idle(&mut unbound) > 28_600);
}

/// Otherwise a restart would make copied cookies of a bound session valid.
#[test]
fn after_a_restart_without_redis_a_session_that_may_be_bound_is_over() {
    let app = TestApp::start_with(ON);
    let (browser, offer) = begin(&app);
    let restarted = TestApp::start_against(app.authorization_server.clone(), ON);
    let mut late = Browser {
        app: &restarted,
        ..browser
    };
    for (name, purpose) in SESSION {
        late.reseal(name, purpose, |cookie| cookie.began_at -= 10);
    }
    // A key may have been registered before.
    let request = Device::new().registration(&late, &offer);
    assert_eq!(request.send(restarted.address).status, 401);
    assert!(!is_signed_in(&mut late));
    let response = late.post("/refresh");
    assert_eq!(
        (response.status, response.json()["code"].as_str()),
        (401, Some("session_expired"))
    );
}
