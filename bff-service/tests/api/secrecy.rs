//! No unsealed token leaves the service: not in a body, not in a header, not in a URL, not in the log, not in a metric.

use std::sync::Mutex;

use serde_json::json;

use crate::support::app::{KEYS, REDIRECT_URI, Setup, TestApp};
use crate::support::authorization_server::Misbehaviour;
use crate::support::http::Response;
use crate::support::log_capture;

/// Everything that a browser receives from sign-in to sign-out.
fn live_through(app: &TestApp) -> Vec<Response> {
    let responses = Mutex::new(Vec::new());
    let keep = |response: Response| {
        responses.lock().unwrap().push(response.clone());
        response
    };
    let mut browser = app.browser();
    keep(browser.post("/login/start"));
    let page_url = browser.authorize("alice");
    keep(browser.load_page(&format!("{REDIRECT_URI}?state=x&error=login_required")));
    let login = keep(browser.load_page(page_url.as_str()));
    assert_eq!(login.status, 200, "{login:?}");
    for endpoint in ["/userInfo", "/claims", "/session"] {
        assert_eq!(keep(browser.get(endpoint)).status, 200, "{endpoint}");
    }
    keep(browser.load_page(REDIRECT_URI));
    assert_eq!(keep(browser.post("/refresh")).status, 204);
    for misbehaviour in [
        Misbehaviour::Close,
        Misbehaviour::Respond(400, json!({"error": "x"}).to_string()),
    ] {
        app.authorization_server.misbehave("token", misbehaviour);
        keep(browser.post("/refresh"));
        app.authorization_server.behave();
    }
    let page_url = browser.authorize("alice");
    app.authorization_server.misbehave("token", Misbehaviour::Truncate);
    keep(browser.load_page(page_url.as_str()));
    app.authorization_server.behave();
    keep(browser.load_page(&page_url.as_str().replace("state=", "state=x")));
    let mut without_csrf = browser.clone();
    without_csrf.csrf = None;
    keep(without_csrf.post("/logout"));
    browser
        .cookies
        .keys()
        .map(|(name, _)| name.clone())
        .collect::<Vec<_>>()
        .iter()
        .for_each(|name| {
            let mut altered = browser.clone();
            altered.replace_cookie(name, &format!("{}x", browser.cookie(name)));
            keep(altered.post("/refresh"));
            keep(altered.get("/session"));
        });
    assert_eq!(keep(browser.post("/logout")).status, 200);
    responses.into_inner().unwrap()
}

#[test]
fn no_token_is_in_any_response() {
    for top in ["", "userinfo_source = 'userinfo_endpoint'"] {
        let app = TestApp::start_with(Setup {
            top,
            ..Setup::default()
        });
        let responses = live_through(&app);
        let state = app.authorization_server.state();
        assert!(state.secrets.len() >= 8, "the test knows what to look for");
        for response in responses {
            let text = format!("{response:?}");
            for secret in &state.secrets {
                assert!(!text.contains(secret.as_str()), "{secret} is in {text}");
            }
            assert!(!text.contains("of-the-fake-authorization-server"), "{text}");
        }
    }
}

#[test]
fn no_secret_is_in_the_log_or_in_the_metrics() {
    let app = TestApp::start();
    let responses = live_through(&app);
    let lines = log_capture::lines();
    assert!(
        lines.iter().any(|line| line.contains("completed login")),
        "the log is being captured"
    );
    assert!(
        lines.iter().any(|line| line.contains("logout: ended session")),
        "sign-outs are on record"
    );
    assert!(
        lines.iter().any(|line| line.contains("refused refresh: HTTP 401")),
        "so are rejections"
    );
    let mut secrets = app.authorization_server.state().secrets.clone();
    secrets.extend(KEYS.split(',').map(|key| key.trim().to_owned()));
    secrets.push("the client secret of the tests".to_owned());
    for response in &responses {
        for line in response.set_cookies() {
            let value = line.split(';').next().unwrap().split_once('=').unwrap().1;
            if value.len() > 20 {
                secrets.push(value.to_owned());
            }
        }
        let body: serde_json::Value = serde_json::from_str(&response.body).unwrap_or_default();
        let url = body["authorizationRequestUrl"].as_str().unwrap_or_default();
        if let Ok(url) = url.parse::<url::Url>() {
            let pairs = url.query_pairs();
            let pairs = pairs.filter(|(name, _)| ["state", "nonce"].contains(&name.as_ref()));
            secrets.extend(pairs.map(|(_, value)| value.into_owned()));
        }
        if let Some(csrf) = response.body.strip_prefix("{\"csrf\":\"") {
            secrets.push(csrf.split('"').next().unwrap().to_owned());
        }
    }
    let mut lines = lines;
    lines.push(app.admin("/metrics").body);
    for line in &lines {
        for secret in &secrets {
            assert!(!line.contains(secret.as_str()), "{line}");
        }
        assert!(!line.contains("of-the-fake-authorization-server"), "{line}");
    }
}
