//! No secret in a log, in a metric, in a trace, in a response, or in a URL that Envoy has seen.

use bff_core::cookie::purpose::Purpose;
use bff_tests::disclosure::{Secret, assert_none};
use bff_tests::http1::Response;
use bff_tests::otlp_receiver::OtlpReceiver;
use bff_tests::recording_api::RecordingApi;
use bff_tests::sealing::Seals;
use bff_tests::setup::start;
use bff_tests::user_agent::{AT, AUTH, CSRF, ID, LOGIN, UserAgent};
use demo_system::Component;
use url::Url;

#[test]
fn after_a_whole_session_no_secret_is_in_a_log_or_in_an_answer() {
    let mut api = None;
    let collector = OtlpReceiver::start();
    let test = start(|options| {
        let (recording, address) = RecordingApi::start(options.ports.api);
        options.dial_api = Some(address);
        api = Some(recording);
        options.otel_collector = Some(collector.address);
        // The most verbose level, also of parts of modules that log credentials.
        for (name, value) in [
            (
                "RUST_LOG",
                "trace,awc::client=trace,awc::request=trace,h2::codec=trace,h2::proto=trace,h2::client=trace",
            ),
            ("BFF_LOG_FORMAT", "json"),
            ("BFF_LOG_SUBJECT", "true"),
        ] {
            options
                .environment
                .push((Component::Bff, name.to_owned(), value.to_owned()));
        }
    });
    let (system, api) = (&test.system, api.expect("started"));
    let mut user = UserAgent::new(system);
    let page_url = user.go_through_login();
    let code = Url::parse(&page_url)
        .expect("a URL")
        .query_pairs()
        .find(|(name, _)| name == "code")
        .expect("a code")
        .1
        .into_owned();
    let mut secrets = vec![("the code", code), ("a cookie", user.cookies[LOGIN].clone())];
    let (logins, _) = Seals::of(system, "example").open(Purpose::Login, &user.cookies[LOGIN]);
    let logins: serde_json::Value = serde_json::from_str(&logins).expect("JSON");
    let verifier = logins[0]["code_verifier"].as_str().expect("a verifier");
    secrets.push(("the code verifier", verifier.to_owned()));
    for (what, member) in [("the state", "state"), ("the nonce", "nonce")] {
        secrets.push((what, logins[0][member].as_str().expect(what).to_owned()));
    }
    let mut responses: Vec<Response> = vec![user.end_login(&page_url)];
    remember(&mut secrets, system, &user);
    responses.push(user.get_data());
    responses.push(user.send(&user.api_request("POST")));
    for (method, path) in [
        ("GET", "/bff/userInfo"),
        ("GET", "/bff/claims"),
        ("GET", "/bff/session"),
        ("POST", "/bff/refresh"),
    ] {
        responses.push(user.bff(method, path));
    }
    remember(&mut secrets, system, &user);
    responses.push(user.get_data());
    // Faults and rejections are logged in more detail than successes.
    responses.push(user.end_login(&page_url));
    responses.push(user.send(&user.api_request("POST").header("origin", "https://evil.example")));
    let stale = user.clone();
    responses.push(user.bff("POST", "/bff/logout"));
    responses.push(stale.clone().bff("POST", "/bff/refresh"));
    responses.push(stale.get_data());
    for name in ["cookie-keys", "client-secret", "gateway-client-secret"] {
        let text = std::fs::read_to_string(system.directory().join("secrets").join(name)).expect(name);
        secrets.extend(
            text.trim()
                .split(',')
                .map(|secret| ("a configured secret", secret.to_owned())),
        );
    }

    for head in api.heads() {
        let head = String::from_utf8(head).expect("text");
        let jwt = head
            .lines()
            .find_map(|line| line.strip_prefix("authorization: Bearer "));
        secrets.push(("the JWT", jwt.expect("a JWT").to_owned()));
    }

    let all: Vec<Secret> = secrets.iter().map(|(what, value)| Secret::new(what, value)).collect();
    for (address, path) in [
        (system.bff_admin(), "/metrics"),
        (system.envoy_admin(), "/stats"),
        (system.envoy_admin(), "/stats/prometheus"),
    ] {
        let (_, metrics) = demo_system::get(address, path).expect("metrics");
        assert_none(&all, path, metrics.as_bytes());
    }
    for component in Component::ALL
        .into_iter()
        .filter(|component| system.options().has(*component))
    {
        system.stop(component);
        let log = String::from_utf8_lossy(&std::fs::read(system.log(component)).expect("a log")).into_owned();
        assert_none(&all, &format!("the log of {component}"), log.as_bytes());
        assert!(
            !log.contains("eyJ"),
            "something like a JWT is in the log of {component}"
        );
        if component == Component::Bff {
            assert!(log.contains("\"event\":\"login\""), "sign-ins are on record");
            assert!(
                !log.contains("\"subject\":\"-\""),
                "and whose they are, where that is wanted"
            );
        }
        if component == Component::Envoy {
            assert!(
                log.contains("/bff/login/end") && log.contains("/api/data"),
                "Envoy logs requests"
            );
        }
    }
    // Both have sent their spans when they were stopped.
    let spans = collector.spans();
    for service in ["bff-service", "envoy"] {
        assert!(
            spans.iter().any(|span| span.service == service),
            "{service} exports spans"
        );
    }
    for body in collector.bodies() {
        assert_none(&all, "a trace", &body);
    }
    for response in &responses {
        let body = String::from_utf8_lossy(&response.body);
        let headers: String = response
            .headers
            .iter()
            .filter(|(name, _)| name != "set-cookie")
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect();
        assert!(
            !body.contains("eyJ") && !headers.contains("eyJ"),
            "something like a JWT is in a response"
        );
        // The page must know the CSRF value, and the nonce is a claim of the ID token.
        let for_the_page = ["the CSRF value", "the nonce"];
        for (what, secret) in secrets.iter().filter(|(what, _)| !for_the_page.contains(what)) {
            assert!(
                !body.contains(secret) && !headers.contains(secret),
                "{what} is in a response with HTTP {}",
                response.status
            );
        }
    }
}

/// The cookies' values, and their content.
fn remember(secrets: &mut Vec<(&'static str, String)>, system: &demo_system::System, user: &UserAgent) {
    let seals = Seals::of(system, "example");
    let sealed = [
        (AT, Purpose::AccessToken, "the access token"),
        (AUTH, Purpose::RefreshToken, "the refresh token"),
        (ID, Purpose::IdToken, "the ID token"),
        (CSRF, Purpose::Csrf, "the CSRF value"),
    ];
    for (name, purpose, what) in sealed {
        let (value, _) = seals.open(purpose, &user.cookies[name]);
        // The refresh token is sealed together with other values.
        let value = match serde_json::from_str::<serde_json::Value>(&value) {
            Ok(members) => members["refresh_token"].as_str().map(str::to_owned),
            Err(_) => Some(value),
        };
        secrets.push(("a cookie", user.cookies[name].clone()));
        secrets.push((what, value.unwrap_or_else(|| panic!("nothing is sealed as {what}"))));
    }
}

#[test]
fn no_nonce_seals_two_cookies() {
    let test = start(|_| {});
    let mut nonces = std::collections::BTreeSet::new();
    let mut count = 0;
    let mut look = |user: &UserAgent| {
        for (name, value) in &user.cookies {
            let sealed = bff_core::encoding::base64url::decode(value.as_bytes()).expect("base64url");
            // After the version and the key id (the contract, section 2.1).
            nonces.insert(sealed[5..29].to_vec());
            count += 1;
            assert!(sealed[5..29].iter().any(|byte| *byte != 0), "{name}");
        }
    };
    for _ in 0..3 {
        let mut stranger = UserAgent::new(&test.system);
        stranger.bff("POST", "/bff/login/start");
        look(&stranger);
        let mut user = UserAgent::signed_in(&test.system);
        look(&user);
        for _ in 0..3 {
            let before = user.cookies.clone();
            assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
            let mut renewed = user.clone();
            renewed.cookies.retain(|name, value| before.get(name) != Some(value));
            assert!(renewed.cookies.len() >= 3, "{:?}", renewed.cookies.keys());
            look(&renewed);
        }
    }
    assert_eq!(nonces.len(), count);
}
