//! Cookies of an earlier configuration, with another Domain, Path or form of the name: a login ends signed in, a refresh
//! succeeds, and a logout leaves nothing. The browser of these tests stores cookies by name, Domain and Path, like real
//! browsers.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::app::{AUTH, CSRF, ID, Setup, TestApp, WEB_ORIGIN};
use crate::support::authorization_server::FakeAuthorizationServer;
use crate::support::http::{Request, Response};

const HOST: &str = "api.example.test";

/// Name, Domain (none: host-only), Path.
type Place = (String, Option<String>, String);

/// A browser at `api.example.test`.
#[derive(Clone, Default)]
struct Visitor {
    store: BTreeMap<Place, String>,
    csrf: String,
}

impl Visitor {
    fn send(&mut self, app: &TestApp, prefix: &str, method: &str, endpoint: &str, body: Option<&str>) -> Response {
        let target = format!("{prefix}{endpoint}");
        let is_sent = |path: &str| {
            let below = target.strip_prefix(path);
            below.is_some_and(|rest| rest.is_empty() || path.ends_with('/') || rest.starts_with('/'))
        };
        let mut sent: Vec<_> = self.store.iter().filter(|((_, _, path), _)| is_sent(path)).collect();
        sent.sort_by_key(|((_, _, path), _)| std::cmp::Reverse(path.len()));
        let line: Vec<String> = sent
            .into_iter()
            .map(|((name, ..), value)| format!("{name}={value}"))
            .collect();
        let mut request = Request::new(method, &target)
            .header("host", HOST)
            .header("origin", WEB_ORIGIN)
            .header("cookie", line.join("; "))
            .header("x-example-csrf", &self.csrf);
        if let Some(page_url) = body {
            request = request.json(&json!({ "pageUrl": page_url }));
        }
        let response = request.send(app.address);
        // 40 for what lies in other shapes, and the session's own: proxies bound the head of a response.
        let lines = response.set_cookies().len();
        assert!(lines <= 45, "{lines} lines in a response of {target}");
        for line in response.set_cookies() {
            self.take(line);
        }
        if !response.body.is_empty()
            && let Some(csrf) = response.json()["csrf"].as_str()
        {
            self.csrf = csrf.to_owned();
        }
        response
    }

    fn take(&mut self, line: &str) {
        let (pair, attributes) = line.split_once("; ").unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        let attribute = |name: &str| {
            let found = attributes
                .split("; ")
                .find_map(|attribute| attribute.strip_prefix(name));
            found.map(str::to_owned)
        };
        let (path, domain) = (attribute("Path=").unwrap(), attribute("Domain="));
        if name.starts_with("__Host-") && (domain.is_some() || path != "/") {
            return;
        }
        if domain
            .as_deref()
            .is_some_and(|domain| domain != HOST && !HOST.ends_with(&format!(".{domain}")))
        {
            return;
        }
        let place = (name.to_owned(), domain, path);
        match attribute("Max-Age=").as_deref() {
            Some("0") => self.store.remove(&place),
            _ => self.store.insert(place, value.to_owned()),
        };
    }

    fn sign_in(&mut self, app: &TestApp, prefix: &str) -> Response {
        let start = self.send(app, prefix, "POST", "/login/start", None);
        assert_eq!(start.status, 200, "{start:?}");
        let url = start.json()["authorizationRequestUrl"].as_str().unwrap().to_owned();
        let page = app.authorization_server.sign_in(&url, "alice");
        let end = self.send(app, prefix, "POST", "/login/end", Some(page.as_str()));
        assert_eq!(end.status, 200, "{end:?}");
        end
    }

    fn is_signed_in(&mut self, app: &TestApp, prefix: &str) -> bool {
        self.send(app, prefix, "GET", "/session", None).json()["isLoggedIn"] == true
    }
}

fn app(server: &FakeAuthorizationServer, top: &str) -> TestApp {
    let setup = Setup {
        top,
        ..Setup::default()
    };
    TestApp::start_against(server.clone(), setup)
}

const CONFIGURATIONS: [(&str, &str); 10] = [
    ("/bff", ""),
    ("/bff", "cookie_hardening = 'secure'"),
    ("/bff", "cookie_hardening = 'none'"),
    ("/bff", "cookie_paths = 'root'"),
    ("/bff", "cookie_domain = 'example.test'"),
    ("/bff", "cookie_domain = 'api.example.test'"),
    ("/bff", "cookie_domain = 'example.test'\ncookie_paths = 'root'"),
    ("/bff", "cookie_hardening = 'none'\ncookie_domain = 'example.test'"),
    ("/bff", "cookie_hardening = 'none'\ncookie_paths = 'root'"),
    ("/auth", "endpoints_prefix = '/auth'"),
];

#[test]
fn after_any_change_of_the_cookies_shape_a_user_is_signed_in_or_can_sign_in_and_signing_out_leaves_nothing() {
    let server = FakeAuthorizationServer::start();
    let apps: Vec<_> = CONFIGURATIONS
        .iter()
        .map(|(prefix, top)| (*prefix, *top, app(&server, top)))
        .collect();
    for (old_prefix, old, before) in &apps {
        let mut signed_in = Visitor::default();
        signed_in.sign_in(before, old_prefix);
        for (prefix, new, after) in &apps {
            // What is at another path never comes: a former prefix that is not the default has to be told, and the prefix
            // changes by itself.
            if old_prefix != prefix && !old.is_empty() {
                continue;
            }
            let case = format!("from {old:?} to {new:?}");
            let mut visitor = signed_in.clone();
            if visitor.is_signed_in(after, prefix) {
                let mut leaves = visitor.clone();
                assert_eq!(
                    leaves.send(after, prefix, "POST", "/logout", None).status,
                    200,
                    "{case}"
                );
                assert!(leaves.store.is_empty(), "{case}: {:?}", leaves.store.keys());
            }
            for round in 0..2 {
                let refreshed = visitor.send(after, prefix, "POST", "/refresh", None);
                if refreshed.status != 204 {
                    assert_eq!(round, 0, "{case}: a session that has gone on ends");
                    visitor.sign_in(after, prefix);
                }
                assert!(visitor.is_signed_in(after, prefix), "{case}");
            }
            let logout = visitor.send(after, prefix, "POST", "/logout", None);
            assert_eq!(logout.status, 200, "{case}");
            assert!(visitor.store.is_empty(), "{case}: {:?}", visitor.store.keys());
        }
    }
}

#[test]
fn cookies_at_a_former_prefix_are_cleared_where_the_configuration_names_it() {
    let server = FakeAuthorizationServer::start();
    let before = app(&server, "endpoints_prefix = '/auth'");
    let after = app(&server, "former_endpoints_prefixes = ['/auth']");
    let mut visitor = Visitor::default();
    visitor.sign_in(&before, "/auth");
    visitor.sign_in(&after, "/bff");
    assert!(
        visitor.store.keys().all(|(_, _, path)| path != "/auth"),
        "{:?}",
        visitor.store.keys()
    );
    assert_eq!(visitor.send(&after, "/bff", "POST", "/logout", None).status, 200);
    assert!(visitor.store.is_empty(), "{:?}", visitor.store.keys());
}

#[test]
fn a_session_in_todays_shape_costs_no_line_for_others() {
    let server = FakeAuthorizationServer::start();
    for (prefix, top) in CONFIGURATIONS {
        let app = app(&server, top);
        let mut visitor = Visitor::default();
        assert_eq!(visitor.sign_in(&app, prefix).set_cookies().len(), 5, "{top}");
        assert_eq!(
            visitor.send(&app, prefix, "POST", "/refresh", None).set_cookies().len(),
            4,
            "{top}"
        );
        assert_eq!(visitor.sign_in(&app, prefix).set_cookies().len(), 5, "{top}");
        assert_eq!(
            visitor.send(&app, prefix, "POST", "/logout", None).set_cookies().len(),
            4,
            "{top}"
        );
    }
}

#[test]
fn what_a_sibling_domain_planted_goes_with_the_next_sign_in_refresh_or_sign_out() {
    let server = FakeAuthorizationServer::start();
    for top in ["", "cookie_domain = 'example.test'", "cookie_hardening = 'none'"] {
        let app = app(&server, top);
        let mut mallory = Visitor::default();
        mallory.sign_in(&app, "/bff");
        let planted: Vec<_> = mallory
            .store
            .iter()
            .filter(|((name, ..), _)| !name.starts_with("__Host-"))
            .flat_map(|((name, ..), value)| {
                let paths = ["/", "/bff", "/bff/", "/bff/refresh", "/bff/login/end"];
                paths.map(|path| {
                    (
                        (name.clone(), Some("example.test".to_owned()), path.to_owned()),
                        value.clone(),
                    )
                })
            })
            .collect();
        assert!(planted.len() >= 10, "{top}");
        let mut alice = Visitor::default();
        alice.store.extend(planted.clone());
        for attempt in ["alone", "beside", "beside again"] {
            alice.sign_in(&app, "/bff");
            // What was set for the refresh alone is seen there first.
            let refreshed = (0..2).any(|_| alice.send(&app, "/bff", "POST", "/refresh", None).status == 204);
            assert!(refreshed && alice.is_signed_in(&app, "/bff"), "{top} {attempt}");
            let who = alice.send(&app, "/bff", "GET", "/claims", None).json()["sub"].clone();
            assert_eq!(who, "alice", "{top} {attempt}");
            alice.store.extend(planted.clone());
        }
    }
}

#[test]
fn an_agents_refresh_cookie_at_its_own_path_goes_with_the_first_refresh() {
    // A cookie of version 1, from `docs/CONTRACT.md`, section 2.1, which opens in any place.
    let key = ",4e4636356d65563e4c73233847503e3b21436e6f7629724950526f4b5e2e4e50";
    let cookie = "AcYBf995tTBVsLtQLvOuLUZXHm2c-XqP8t7SKmhBiQtzy5CAw4h_RF6rXyg6kHrvhb8x4WaLQC6h3mw6a3O3Q9A";
    let value = "42665300-efe8-419d-be52-07b53e208f46";
    for domain in [None, Some("example.test")] {
        let server = FakeAuthorizationServer::start();
        let app = TestApp::start_against(
            server.clone(),
            Setup {
                top: "accept_v1_cookies = true\ncookie_hardening = 'none'\nendpoints_prefix = '/oauth-agent'",
                more_keys: key,
                ..Setup::default()
            },
        );
        server.add_refresh_token(value, "alice");
        let mut visitor = Visitor::default();
        for (name, path) in [
            ("example-at", "/"),
            ("example-csrf", "/"),
            ("example-auth", "/oauth-agent/refresh"),
            ("example-id", "/oauth-agent/claims"),
        ] {
            let place = (name.to_owned(), domain.map(str::to_owned), path.to_owned());
            visitor.store.insert(place, cookie.to_owned());
        }
        visitor.csrf = value.to_owned();
        for round in 0..3 {
            let response = visitor.send(&app, "/oauth-agent", "POST", "/refresh", None);
            assert_eq!(response.status, 204, "refresh {round} of an agent with {domain:?}");
        }
        assert_eq!(visitor.send(&app, "/oauth-agent", "POST", "/logout", None).status, 200);
        assert!(visitor.store.is_empty(), "{domain:?}: {:?}", visitor.store.keys());
    }
}

#[test]
fn sessions_of_before_the_shape_was_sealed_live_on_and_are_cleaned_up_once() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    browser.reseal(AUTH, bff_core::cookie::purpose::Purpose::RefreshToken, |token| {
        let mut content: serde_json::Value = serde_json::from_slice(&token.value).unwrap();
        assert!(content.as_object_mut().unwrap().remove("shape").is_some());
        token.value = content.to_string().into_bytes();
    });
    let changes = browser.post("/refresh").cookie_changes();
    assert!(changes.len() > 4, "{changes:?}");
    let others = &changes[..changes.len() - 4];
    assert!(
        others
            .iter()
            .all(|change| [AUTH, ID].iter().any(|name| *change == format!("-{name}"))),
        "{others:?}"
    );
    assert!(browser.cookie_names().contains(&CSRF));
    assert_eq!(browser.post("/refresh").cookie_changes().len(), 4);
}
