//! `/authorize`: the same rules without wasm, over HTTP. The real nginx calls it, and so does the test.

use std::thread;
use std::time::Duration;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_tests::client_credentials::set;
use bff_tests::echoing_api::{EchoingApi, values};
use bff_tests::http1::{Request, Response, send_plain};
use bff_tests::nginx::Nginx;
use bff_tests::repository;
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, eventually, start};
use bff_tests::user_agent::{AT, CSRF, CSRF_HEADER, UserAgent};
use demo_system::{Component, Options};
use serde_json::json;

/// Enables `/authorize`, with this introspection endpoint.
fn authorize(options: &mut Options, introspection_endpoint: &str, method_header: Option<&str>) {
    let domain = &options.domain;
    let origin = format!("https://www.{domain}:{}", options.ports.public);
    let rules = json!({
        "bff_token": {
            "cookie_name_prefix": "example",
            "encryption_key": {"env": "BFF_COOKIE_KEYS"},
            "trusted_web_origins": [origin],
            "ended_sessions": {"cluster": "its own", "poll_seconds": 1},
        },
        "phantom_token": {
            "introspection_endpoint": introspection_endpoint,
            "cluster": "not used here",
            "client_id": "api-gateway-client",
            "client_secret": {"env": "GATEWAY_CLIENT_SECRET"},
            "timeout_ms": 5000,
        },
    });
    std::fs::create_dir_all(&options.directory).expect("the folder");
    let file = options.directory.join("authorize.json");
    std::fs::write(&file, rules.to_string()).expect("written");
    let secret = options.directory.join("secrets/gateway-client-secret");
    set(
        options,
        Component::Bff,
        "BFF_AUTHORIZE__PLUGIN_CONFIGURATION_FILE",
        file,
    );
    set(options, Component::Bff, "GATEWAY_CLIENT_SECRET_FILE", secret);
    if let Some(name) = method_header {
        set(options, Component::Bff, "BFF_AUTHORIZE__METHOD_HEADER", name);
    }
}

/// Introspection by the real authorization server.
fn by_the_real_server(options: &mut Options, method_header: Option<&str>) {
    let port = options.ports.authorization_server;
    let endpoint = format!("http://127.0.0.1:{port}/oauth/v2/oauth-introspect");
    authorize(options, &endpoint, method_header);
}

/// The API gets neither the CSRF header nor one of a session that is bound to a device.
fn assert_removed(head: &[u8]) {
    for name in [CSRF_HEADER, "secure-session-skipped"] {
        assert!(values(head, name).is_empty(), "{name}");
    }
}

#[test]
fn nginx_lets_by_what_the_filter_would_and_the_api_sees_the_same() {
    let (api, api_address) = EchoingApi::start();
    let test = start(|options| by_the_real_server(options, Some("x-original-method")));
    let system = &test.system;
    let nginx = Nginx::start(system.directory(), api_address, system.bff_admin());
    let mut user = UserAgent::signed_in(system);
    let send = |request: &Request| send_plain(nginx.address, request).expect("a response of nginx");
    let with_cookies = |user: &UserAgent, method: &str| {
        Request::new(method, "/api/data")
            .header("origin", &user.origin)
            .header("cookie", format!("theme=dark; {}; last=\"a b\"", user.cookie_header()))
            .header("authorization", "Bearer of-the-client")
            .header("secure-session-skipped", "unreachable")
    };
    for (method, csrf) in [("GET", false), ("POST", true), ("DELETE", true), ("PROPPATCH", true)] {
        let request = with_cookies(&user, method);
        let request = if csrf {
            request.header(CSRF_HEADER, &user.csrf)
        } else {
            request
        };
        let response = send(&request);
        assert_eq!(response.status, 200, "{method}");
        let authorization = values(&response.body, "authorization");
        let [bearer] = authorization.as_slice() else {
            panic!(
                "{method}: expected one Authorization line, received {}",
                authorization.len()
            )
        };
        assert_eq!(bearer.split(|byte| *byte == b'.').count(), 3, "a JWT");
        assert_eq!(values(&response.body, "cookie"), [b"theme=dark; last=\"a b\"".to_vec()]);
        assert_removed(&response.body);
    }
    let private = send(&with_cookies(&user, "GET"));
    assert_eq!(private.all("cache-control"), ["private"], "the API leaves it open");
    let reached = api.count();
    let stranger = Request::new("GET", "/api/data").header("origin", &user.origin);
    let refused = [
        stranger.clone(),
        stranger.clone().header("authorization", "Bearer of-the-client"),
        stranger.header("cookie", user.cookie_header_with(AT, Some("x"))),
        with_cookies(&user, "POST"),
        with_cookies(&user, "PROPPATCH").header(CSRF_HEADER, "wrong"),
        // The client does not decide which method is checked.
        with_cookies(&user, "POST").header("x-original-method", "GET"),
        Request::new("GET", "/api/data")
            .header("origin", "https://evil.example")
            .header("cookie", user.cookie_header()),
        Request::new("POST", "/api/data")
            .header("cookie", user.cookie_header())
            .header(CSRF_HEADER, &user.csrf),
    ];
    for (number, request) in refused.iter().enumerate() {
        assert_eq!(send(request).status, 401, "number {number}");
    }
    assert_eq!(send(&Request::new("GET", "/authorize")).status, 404, "not for clients");
    assert_eq!(api.count(), reached, "none of these reached the API");
    // An ended session is refused here, too.
    let copy = user.clone();
    assert_eq!(user.bff("POST", "/bff/logout").status, 200);
    // As soon as the list has been polled: by every worker, at the first request.
    thread::sleep(Duration::from_millis(1100));
    for _ in 0..20 {
        assert_eq!(send(&with_cookies(&copy, "GET")).status, 401);
    }
}

/// Envoy's `ext_authz`, as in docs/CONTRACT.md, at the route `/default` instead of the wasm filter.
fn by_ext_authz(options: &mut Options) {
    let page = repository::text("docs/CONTRACT.md");
    let (_, snippet) = page.split_once("```yaml\nhttp_service:").expect("the snippet");
    let (snippet, _) = snippet.split_once("```").expect("its end");
    let snippet = format!("http_service:{snippet}").replace("http://bff-admin:3005", "http://127.0.0.1");
    let indented: String = snippet
        .lines()
        .map(|line| format!("                      {line}\n"))
        .collect();
    let filter = format!(
        "                  - name: authz\n                    disabled: true\n                    typed_config:\n                      \
         \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz\n{indented}"
    );
    let first = "                  - name: bff_filter_web\n                    disabled: true\n";
    let changes = [
        (first.to_owned(), format!("{filter}{first}")),
        (
            "                            bff_filter_default:\n".to_owned(),
            "                            authz:\n".to_owned(),
        ),
    ];
    options.envoy_changes.extend(changes);
}

#[test]
fn envoy_without_wasm_lets_by_what_the_filter_would_and_the_api_sees_the_same() {
    let (api, api_address) = EchoingApi::start();
    let test = start(|options| {
        by_the_real_server(options, None);
        by_ext_authz(options);
        options.dial_api = Some(api_address);
    });
    let user = UserAgent::signed_in(&test.system);
    let request = |method: &str| {
        Request::new(method, "/default/data")
            .header("origin", &user.origin)
            .header("cookie", format!("theme=dark; {}", user.cookie_header()))
            .header("authorization", "Bearer of-the-client")
            .header("secure-session-skipped", "unreachable")
    };
    for response in [
        user.send(&request("GET")),
        user.send(&request("POST").header(CSRF_HEADER, &user.csrf)),
    ] {
        assert_eq!(response.status, 200);
        let authorization = values(&response.body, "authorization");
        assert!(matches!(&authorization[..], [bearer] if bearer.starts_with(b"Bearer ey")));
        assert_eq!(values(&response.body, "cookie"), [b"theme=dark".to_vec()]);
        assert_removed(&response.body);
    }
    let alone = Request::new("GET", "/default/data")
        .header("origin", &user.origin)
        .header("cookie", user.cookie_header());
    assert!(values(&user.send(&alone).body, "cookie").is_empty());
    let reached = api.count();
    for refused in [
        request("POST"),
        request("DELETE").header(CSRF_HEADER, "wrong"),
        Request::new("GET", "/default/data").header("authorization", "Bearer of-the-client"),
        Request::new("GET", "/default/data")
            .header("cookie", user.cookie_header())
            .header("sec-fetch-site", "cross-site"),
    ] {
        assert_eq!(user.send(&refused).status, 401);
    }
    assert_eq!(api.count(), reached);
}

/// A system whose introspection is the test's own, and whose cookies the test seals.
fn scripted(script: impl Fn(&str, usize) -> Scripted + Send + Sync + 'static) -> (TestSystem, ScriptedIntrospection) {
    let (server, address) = ScriptedIntrospection::start(script);
    let test = start(|options| authorize(options, &format!("http://{address}/introspect"), None));
    (test, server)
}

fn exchange(test: &TestSystem, request: &Request) -> Response {
    send_plain(test.system.bff_admin(), request).expect("a response")
}

fn authorize_request(test: &TestSystem, method: &str, token: &str) -> Request {
    let seals = Seals::of(&test.system, "example");
    let session = SessionId([1; 32]);
    let at = seals.seal(Purpose::AccessToken, token, session, 300);
    let csrf = seals.seal(Purpose::Csrf, "csrf", session, 300);
    Request::new(method, "/authorize/api/data")
        .header("origin", test.system.www())
        .header("cookie", format!("{AT}={at}; {CSRF}={csrf}"))
        .header(CSRF_HEADER, "csrf")
}

#[test]
fn envoys_ext_authz_asks_with_the_method_itself_and_is_told_what_to_set_and_to_remove() {
    let (test, _server) = scripted(|token, _| match token {
        "good" => Scripted::Active(json!({"sub": "user", "exp": 4_000_000_000_u64})),
        "failing" => Scripted::Failing,
        "reset" => Scripted::Reset,
        "slow" => {
            // Long after the timeout, however busy the machine is.
            thread::sleep(Duration::from_secs(60));
            Scripted::Inactive
        }
        _ => Scripted::Inactive,
    });
    let response = exchange(&test, &authorize_request(&test, "POST", "good"));
    assert_eq!(response.status, 200);
    assert!(
        response
            .header("authorization")
            .is_some_and(|value| value.starts_with("Bearer ey"))
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let removed = response.header("x-envoy-auth-headers-to-remove").unwrap_or_default();
    let mut removed: Vec<&str> = removed.split(',').collect();
    removed.sort_unstable();
    assert!(
        // The other spelling as well, which the proxy has not sent.
        removed.contains(&"cookie") && removed.contains(&CSRF_HEADER) && removed.contains(&"x_example_csrf"),
        "{removed:?}"
    );
    assert!(removed.contains(&"x.example.csrf"), "{removed:?}");
    // And every spelling that the proxy has sent.
    let response = exchange(
        &test,
        &authorize_request(&test, "POST", "good").header("x~example.csrf", "junk"),
    );
    let removed = response.header("x-envoy-auth-headers-to-remove").unwrap_or_default();
    assert!(removed.split(',').any(|name| name == "x~example.csrf"), "{removed}");
    let without_csrf = Request::new("POST", "/authorize/api/data").header("origin", test.system.www());
    assert_eq!(exchange(&test, &without_csrf).status, 401);
    for (token, status, code) in [
        ("gone", 401, "unauthorized"),
        ("failing", 502, "authorization_server_error"),
        ("reset", 502, "authorization_server_error"),
        ("slow", 504, "authorization_server_error"),
    ] {
        let response = exchange(&test, &authorize_request(&test, "GET", token));
        assert_eq!((response.status, response.code().as_str()), (status, code), "{token}");
    }
}

#[test]
fn a_refusal_of_authorize_is_as_the_filters_and_nobody_is_to_guess_what_it_is() {
    let test = start(|options| by_the_real_server(options, None));
    let refused = exchange(&test, &Request::new("GET", "/authorize/api/data"));
    assert_eq!((refused.status, refused.code().as_str()), (401, "unauthorized"));
    assert_eq!(refused.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(refused.header("content-type"), Some("application/json"));
}

#[test]
fn requests_at_once_make_one_introspection_and_who_leaves_takes_nobody_along() {
    let (test, server) = scripted(|_, _| {
        thread::sleep(Duration::from_millis(500));
        Scripted::Active(json!({"exp": 4_000_000_000_u64}))
    });
    let request = authorize_request(&test, "GET", "token");
    thread::scope(|scope| {
        let leaving = std::net::TcpStream::connect(test.system.bff_admin()).expect("a connection");
        let head = request.bytes_to_keep("localhost");
        std::io::Write::write_all(&mut &leaving, &head).expect("sent");
        eventually("the introspection is in progress", || server.count() == 1);
        let others: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| exchange(&test, &request).status))
            .collect();
        thread::sleep(Duration::from_millis(100));
        drop(leaving);
        for other in others {
            assert_eq!(other.join().expect("no panic"), 200);
        }
    });
    // Each of the two workers has a gateway of its own.
    assert!(server.count() <= 2, "{} introspections", server.count());
}

#[test]
fn a_proxy_that_does_not_say_the_method_is_told_so_and_lets_nothing_by() {
    let test = start(|options| by_the_real_server(options, Some("x-original-method")));
    let user = UserAgent::signed_in(&test.system);
    let authorize_request = || {
        Request::new("GET", "/authorize")
            .header("origin", &user.origin)
            .header("cookie", user.cookie_header())
    };
    assert_eq!(
        exchange(&test, &authorize_request().header("x-original-method", "GET")).status,
        200
    );
    for request in [
        authorize_request(),
        authorize_request().header("x-original-method", ""),
        authorize_request()
            .header("x-original-method", "GET")
            .header("x-original-method", "POST"),
    ] {
        assert_eq!(exchange(&test, &request).status, 500);
    }
    let log = std::fs::read_to_string(test.system.log(Component::Bff)).expect("the log");
    assert!(log.contains("authorize.method_header"), "the log names the field");
}

#[test]
fn what_a_client_says_of_its_method_target_and_address_changes_no_decision() {
    let forwarded = [
        ("x-forwarded-method", "GET"),
        ("x-original-method", "GET"),
        ("x-http-method-override", "GET"),
        ("x-method-override", "GET"),
        ("x-forwarded-uri", "/public"),
        ("x-original-url", "/public"),
        ("x-rewrite-url", "/public"),
        ("x-forwarded-host", "www.example.localhost"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1;host=www.example.localhost;proto=https"),
    ];
    for named_by in [None, Some("x-method-of-the-proxy")] {
        let test = start(|options| by_the_real_server(options, named_by));
        let user = UserAgent::signed_in(&test.system);
        let authorize_request = |method: &str, csrf: bool, header: (&str, &str)| {
            let request = Request::new(if named_by.is_some() { "GET" } else { method }, "/authorize")
                .header("origin", &user.origin)
                .header("cookie", user.cookie_header())
                .header(header.0, header.1);
            let request = match named_by {
                Some(name) => request.header(name, method),
                None => request,
            };
            match csrf {
                true => request.header(CSRF_HEADER, &user.csrf),
                false => request,
            }
        };
        for header in forwarded {
            let status = |method, csrf| exchange(&test, &authorize_request(method, csrf, header)).status;
            let decisions = [status("POST", false), status("POST", true), status("GET", false)];
            assert_eq!(decisions, [401, 200, 200], "{header:?} {named_by:?}");
        }
        let nobody = |header: (&str, &str)| Request::new("GET", "/authorize").header(header.0, header.1);
        for header in forwarded {
            let mut request = nobody(header);
            if let Some(name) = named_by {
                request = request.header(name, "GET");
            }
            assert_eq!(exchange(&test, &request).status, 401, "{header:?} {named_by:?}");
        }
    }
}

#[test]
fn without_its_section_there_is_no_authorize() {
    let test = start(|_| {});
    assert_eq!(exchange(&test, &Request::new("GET", "/authorize")).status, 404);
    let elsewhere = send_plain(test.system.bff_addr(), &Request::new("GET", "/authorize")).expect("a response");
    assert_eq!(elsewhere.status, 404);
}
