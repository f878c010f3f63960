//! Every form of an introspection response, from the real authorization server, and the requirements of a route.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_core::encoding::base64url;
use bff_tests::echoing_api::{EchoingApi, values as echoed};
use bff_tests::http1::{Client, Request, Response};
use bff_tests::recording_api::RecordingApi;
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection, jwt};
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, eventually, filter_statistic, start, start_envoy};
use bff_tests::user_agent::{AT, UserAgent};
use demo_system::{Component, Options};
use serde_json::json;

fn recorded(change: impl FnOnce(&mut Options)) -> (TestSystem, RecordingApi) {
    let mut api = None;
    let test = start(|options| {
        let (recording, address) = RecordingApi::start(options.ports.api);
        options.dial_api = Some(address);
        change(options);
        api = Some(recording);
    });
    (test, api.expect("started"))
}

/// Further members of the web entry point's `phantom_token`.
fn further(options: &mut Options, members: &str) {
    let first = "\"token_cache_entries\": 10000";
    options
        .envoy_changes
        .push((first.to_owned(), format!("{first}, {members}")));
}

fn values(api: &RecordingApi, name: &str) -> Vec<String> {
    let head = api.last();
    let lines = head.iter().filter(|(found, _)| found == name);
    lines
        .map(|(_, value)| String::from_utf8(value.clone()).expect("text"))
        .collect()
}

#[test]
fn a_jwt_reaches_the_api_in_each_form_that_holds_one_and_other_forms_are_refused() {
    for (form, status) in [
        ("jwt", 200),
        ("json-jwt", 200),
        ("json-phantom-token", 200),
        ("rfc9701", 502),
        ("json", 502),
    ] {
        let (test, api) = recorded(|options| options.introspection_response = form.to_owned());
        let user = UserAgent::signed_in(&test.system);
        // Twice: the second time from the cache.
        for _ in 0..2 {
            assert_eq!(user.get_data().status, status, "{form}");
        }
        let expected = if status == 200 { 2 } else { 0 };
        assert_eq!(api.heads().len(), expected, "{form}: what reached the API");
    }
}

/// One line: it is inserted into a block of lines.
const CLAIMS: &str = concat!(
    r#""claim_to_headers": [{"header_name": "x-auth-subject", "claim_name": "sub"}, "#,
    r#"{"header_name": "x-auth-scope", "claim_name": "scope"}, "#,
    r#"{"header_name": "x-auth-nothing", "claim_name": "not_there"}]"#
);

#[test]
fn claims_reach_the_api_in_headers_that_no_client_can_set() {
    for (form, members) in [
        ("json", format!("\"response\": \"claims\", {CLAIMS}")),
        (
            "rfc9701",
            format!("\"response\": \"rfc9701\", \"issuer\": \"https://ISSUER\", {CLAIMS}"),
        ),
    ] {
        let (test, api) = recorded(|options| {
            options.introspection_response = form.to_owned();
            // A request with a token of its own and none of our cookies skips the cookie stage.
            let hardening = "\"cookie_hardening\": \"host\"";
            options
                .envoy_changes
                .push((hardening.to_owned(), format!("{hardening}, \"allow_tokens\": true")));
            let issuer = format!("login.{}:{}", options.domain, options.ports.public);
            further(options, &members.replace("ISSUER", &issuer));
            // The filter itself must remove both spellings.
            let drop = "headers_with_underscores_action: DROP_HEADER".to_owned();
            options
                .envoy_changes
                .push((drop, "headers_with_underscores_action: ALLOW".to_owned()));
        });
        let mut user = UserAgent::signed_in(&test.system);
        let subject = user.bff("GET", "/bff/claims").json()["sub"].clone();
        for _ in 0..2 {
            let request = user
                .api_request("GET")
                .header("x-auth-subject", "admin")
                .header("X-Auth-Subject", "admin")
                .header("x_auth_subject", "admin")
                .header("X_auth-Nothing", "admin")
                .header("x.auth.subject", "admin")
                .header("X~Auth.Subject", "admin")
                .header("x-auth-nothing", "admin")
                .header("authorization", "Bearer of-the-client")
                .header("x-auth-other", "kept");
            user.send(&request);
            assert_eq!(
                values(&api, "x-auth-subject"),
                [subject.as_str().expect("text")],
                "{form}"
            );
            let scope = values(&api, "x-auth-scope").concat();
            assert!(scope.split(' ').any(|scope| scope == "data"), "{form}: {scope}");
            for name in [
                "authorization",
                "x_auth_subject",
                "x_auth-nothing",
                "x-auth-nothing",
                "x.auth.subject",
                "x~auth.subject",
            ] {
                assert!(values(&api, name).is_empty(), "{form}: {name}");
            }
            assert_eq!(values(&api, "x-auth-other"), ["kept"]);
        }
        // The same if the cookie stage is skipped, and if a browser sends a preflight request first.
        let (token, _) = Seals::of(&test.system, "example").open(Purpose::AccessToken, &user.cookies[AT]);
        for method in ["GET", "OPTIONS"] {
            let request = Request::new(method, "/api/data")
                .header("authorization", format!("Bearer {token}"))
                .header("x-auth-subject", "admin")
                .header("x_auth_subject", "admin")
                .header("X-Auth_Nothing", "admin");
            user.send(&request);
            assert_eq!(
                values(&api, "x-auth-subject"),
                [subject.as_str().expect("text")],
                "{form} {method}"
            );
            for name in ["authorization", "x_auth_subject", "x-auth_nothing"] {
                assert!(values(&api, name).is_empty(), "{form} {method}: {name}");
            }
        }
        api.clear();
        let preflight = Request::new("OPTIONS", "/api/data")
            .header("origin", &user.origin)
            .header("access-control-request-method", "POST")
            .header("x_auth_subject", "admin");
        assert_eq!(user.send(&preflight).status, 200, "answered by Envoy");
        for cookies in [String::new(), user.cookie_header_with(AT, Some("x"))] {
            let request = Request::new("GET", "/api/data")
                .header("origin", &user.origin)
                .header("cookie", cookies)
                .header("x-auth-subject", "admin")
                .header("x_auth_subject", "admin");
            assert_eq!(user.send(&request).status, 401, "{form}");
        }
        assert_eq!(api.heads().len(), 0);
    }
}

#[test]
fn a_signed_answer_of_another_issuer_than_the_configured_one_is_not_used() {
    let (test, api) = recorded(|options| {
        options.introspection_response = "rfc9701".to_owned();
        let members = format!("\"response\": \"rfc9701\", \"issuer\": \"https://login.elsewhere.example\", {CLAIMS}");
        further(options, &members);
    });
    assert_eq!(UserAgent::signed_in(&test.system).get_data().status, 502);
    assert_eq!(api.heads().len(), 0);
}

/// The demo's route to the entry point "default", with metadata.
fn with_route_metadata(options: &mut Options, metadata: &str) {
    let route = "        - match: { path_separated_prefix: /default }\n";
    let metadata = match metadata {
        "" => String::new(),
        members => {
            format!("                          metadata: {{ filter_metadata: {{ bff_filter: {{ {members} }} }} }}\n")
        }
    };
    let changes = [
        (route.to_owned(), format!("{route}{metadata}")),
        (
            "\"jwt_access_tokens\": \"introspect\"\n                              }\n                            }\n\n                  - name: envoy.filters.http.router".to_owned(),
            "\"jwt_access_tokens\": \"introspect\",\n                                \"route_metadata\": \"bff_filter\"\n                              }\n                            }\n\n                  - name: envoy.filters.http.router".to_owned(),
        ),
    ];
    options.envoy_changes.extend(changes);
}

/// The challenge of a route with all requirements on the user's authentication.
const STEP_UP: &str = "Bearer realm=\"api\", error=\"insufficient_user_authentication\", \
    error_description=\"The user must authenticate again, or with more factors, for this request\", \
    acr_values=\"gold silver\", max_age=\"3600\"";

#[test]
fn a_route_says_in_its_metadata_which_scopes_and_audience_it_requires() {
    for (metadata, status, challenge) in [
        ("required_scopes: \"data\"", 200, None),
        ("required_scopes: \"openid data\"", 200, None),
        (
            "required_scopes: \"data orders\"",
            403,
            Some("Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"data orders\""),
        ),
        (
            "required_audience: \"nobody\"",
            401,
            Some("Bearer realm=\"api\", error=\"invalid_token\""),
        ),
        ("max_auth_age: \"3600\"", 200, None),
        (
            "required_acr: \"gold urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport\"",
            200,
            None,
        ),
        (
            "required_acr: \"gold silver\", max_auth_age: \"3600\"",
            401,
            Some(STEP_UP),
        ),
        ("required_scopes: \"data\", max_auth_age: 3600", 500, None),
        ("required_scopes: \"data\", required_acr: \"\"", 500, None),
        ("required_scopes: \"data\", required_acr: [gold]", 500, None),
        // A route without the metadata is closed, and so is one whose metadata is not a string.
        ("", 500, None),
        ("required_scopes: \"data\", required_audience: 123456789", 500, None),
        ("required_scopes: \"data\", required_audience: \"\"", 500, None),
        ("required_scopes: null, required_audience: \"demo-api\"", 500, None),
        ("required_scopes: [data]", 500, None),
    ] {
        let (test, api) = recorded(|options| with_route_metadata(options, metadata));
        let user = UserAgent::signed_in(&test.system);
        let (token, _) = Seals::of(&test.system, "example").open(Purpose::AccessToken, &user.cookies[AT]);
        for _ in 0..3 {
            let request = Request::new("GET", "/default/data").header("authorization", format!("Bearer {token}"));
            let response = Client::new(&test.system).send("api", &request).expect("a response");
            assert_eq!(response.status, status, "{metadata}");
            assert_eq!(response.header("www-authenticate"), challenge, "{metadata}");
        }
        assert_eq!(api.heads().len(), if status == 200 { 3 } else { 0 }, "{metadata}");
    }
}

fn with_bearer(test: &TestSystem, token: &str) -> Response {
    let request = Request::new("GET", "/default/data").header("authorization", format!("Bearer {token}"));
    Client::new(&test.system).send("api", &request).expect("a response")
}

fn filter_count(test: &TestSystem, name: &str) -> u64 {
    filter_statistic(&test.system, name)
}

#[test]
fn made_up_jwts_are_401_and_neither_failures_nor_lines_in_the_log() {
    let test = start(|_| {});
    let part = |text: &str| base64url::encode(text.as_bytes());
    let made_up = jwt(&json!({"sub": "admin", "exp": 4_000_000_000_u64}));
    let unsigned = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(r#"{"sub":"admin"}"#));
    for token in [&made_up, &made_up, &unsigned, &"a.b.c".to_owned()] {
        let response = with_bearer(&test, token);
        assert_eq!(
            (response.status, response.header("www-authenticate")),
            (401, Some("Bearer realm=\"api\", error=\"invalid_token\"")),
            "{token}"
        );
    }
    eventually("the filter has reported", || {
        filter_count(&test, "requests_refused_401") == 4
    });
    assert_eq!(filter_count(&test, "introspection_failures"), 0);
    let log = std::fs::read_to_string(test.system.log(Component::Envoy)).expect("Envoy's log");
    assert!(!log.contains("bff: refused"), "{log}");
}

#[test]
fn a_jwt_that_introspection_calls_active_reaches_the_api_itself_and_the_server_learns_that_it_was_asked_over_tls() {
    let (server, server_address) = ScriptedIntrospection::start(|_, _| Scripted::Json(json!({"active": true})));
    let (_api, api_address) = EchoingApi::start();
    let test = start_envoy(server_address, api_address, |_| {});
    let token = jwt(&json!({"sub": "a", "scope": "data", "exp": 4_000_000_000_u64}));
    let response = with_bearer(&test, &token);
    assert_eq!(response.status, 200);
    assert_eq!(
        echoed(&response.body, "authorization"),
        [format!("Bearer {token}").into_bytes()]
    );
    // The cluster leads to a port with plain http.
    assert_eq!(echoed(&server.last_head(), "x-forwarded-proto"), [b"https".to_vec()]);
    assert_eq!(with_bearer(&test, "opaque").status, 502, "nothing for the API");
}

#[test]
fn the_filter_names_the_key_that_it_does_not_have_and_counts_those_who_bring_cookies_of_it() {
    let (_server, server_address) = ScriptedIntrospection::start(|token, _| Scripted::Active(json!({"sub": token})));
    let (_api, api_address) = EchoingApi::start();
    let test = start_envoy(server_address, api_address, |options| {
        options.envoy_concurrency = Some(1)
    });
    let (new_key, session) = ("0123456789abcdef".repeat(4), SessionId([1; 32]));
    let get = |seals: &Seals| {
        let at = seals.seal(Purpose::AccessToken, "token", session, 300);
        let request = Request::new("GET", "/api/data").header("cookie", format!("{AT}={at}"));
        Client::new(&test.system)
            .send("api", &request)
            .expect("a response")
            .status
    };
    assert_eq!(get(&Seals::of(&test.system, "example")), 200);
    for _ in 0..3 {
        assert_eq!(get(&Seals::with(&new_key, "example")), 401);
    }
    eventually("the filter has reported", || {
        filter_count(&test, "cookies_of_unknown_keys") == 3 && filter_count(&test, "cookies_opened") == 1
    });
    let (ring, _) = bff_core::crypto::key_ring::KeyRing::parse(&new_key, false).expect("a key");
    let id = ring.key_ids().next().expect("its fingerprint").to_string();
    let log = || std::fs::read_to_string(test.system.log(Component::Envoy)).expect("Envoy's log");
    eventually("the log names the key", || {
        log().contains(&format!("such as with key {id}"))
    });
    assert!(!log().contains(&new_key));
}
