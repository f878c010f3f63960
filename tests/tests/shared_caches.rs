//! Shared caches must not store a response to a request with our cookies, unless the API allows it (RFC 9111, section 3.5).

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_tests::http1::{Client, Request, Response};
use bff_tests::scripted_api;
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::sealing::Seals;
use bff_tests::setup::{rewrite_envoy, start, start_envoy};
use bff_tests::user_agent::{AT, UserAgent};
use serde_json::{Value, json};

/// The headers of the API, and those of the response to a request that was forwarded by a cookie.
const CASES: [(scripted_api::Script, &[&str]); 10] = [
    (("200 OK", &[]), &["private"]),
    (("200 OK", &["cache-control: max-age=60"]), &["max-age=60", "private"]),
    (("200 OK", &["cache-control: no-cache"]), &["no-cache", "private"]),
    (
        (
            "200 OK",
            &["cache-control: must-revalidate", "cache-control: max-age=60"],
        ),
        &["must-revalidate", "max-age=60", "private"],
    ),
    (("404 Not Found", &["etag: \"1\""]), &["private"]),
    (
        ("304 Not Modified", &["cache-control: max-age=60", "etag: \"1\""]),
        &["max-age=60", "private"],
    ),
    (
        ("200 OK", &["cache-control: max-age=60", "cache-control: Public"]),
        &["max-age=60", "Public"],
    ),
    (
        ("200 OK", &["cache-control: max-age=0, s-maxage=60"]),
        &["max-age=0", "s-maxage=60"],
    ),
    (
        ("200 OK", &["cache-control: private, max-age=60"]),
        &["private", "max-age=60"],
    ),
    (
        ("200 OK", &["cache-control: max-age=60", "cache-control: no-store"]),
        &["max-age=60", "no-store"],
    ),
];

/// The directives of all lines: a proxy may join them.
fn directives(response: &Response) -> Vec<&str> {
    let lines = response.all("cache-control").into_iter();
    lines.flat_map(|line| line.split(',').map(str::trim)).collect()
}

#[test]
fn an_answer_to_a_request_that_a_cookie_let_in_is_private_unless_the_api_says_who_may_keep_it() {
    let (_server, server_address) =
        ScriptedIntrospection::start(|_, _| Scripted::Active(json!({"exp": 4_000_000_000_u64})));
    let api_address = scripted_api::start(CASES.iter().map(|(script, _)| *script).collect());
    let test = start_envoy(server_address, api_address, |_| {});
    let client = Client::new(&test.system);
    let at = Seals::of(&test.system, "example").seal(Purpose::AccessToken, "token", SessionId([1; 32]), 300);
    let by_cookie = |path: &str| {
        let request = Request::new("GET", path).header("cookie", format!("{AT}={at}"));
        client.send("api", &request).expect("a response")
    };
    // After a callout, with the introspection in the cache, and with the cookie in the cache.
    for time in 0..3 {
        for (number, ((status, _), expected)) in CASES.iter().enumerate() {
            let response = by_cookie(&format!("/api/{number}"));
            assert!(status.starts_with(&response.status.to_string()), "number {number}");
            assert_eq!(directives(&response), *expected, "number {number}, time {time}");
        }
    }
    // For a request with a token of its own, the API's headers do not change.
    for (number, ((_, said), _)) in CASES.iter().enumerate() {
        let request = Request::new("GET", &format!("/default/{number}")).header("authorization", "Bearer token");
        let response = client.send("api", &request).expect("a response");
        let said = said.iter().filter_map(|line| line.strip_prefix("cache-control: "));
        let said: Vec<&str> = said.flat_map(|line| line.split(", ")).collect();
        assert_eq!(directives(&response), said, "number {number}, a bearer token");
    }
    // Envoy's own response, without one of the API, and a rejection, which must not be stored.
    let response = by_cookie("/api/none");
    assert_eq!((response.status, directives(&response)), (503, vec!["private"]));
    let refused = client.send("api", &Request::new("GET", "/api/0")).expect("a response");
    assert_eq!((refused.status, directives(&refused)), (401, vec!["no-store"]));
}

/// Envoy's own response on a route with the filter, which has no API.
#[test]
fn a_direct_response_of_a_route_is_for_those_who_are_signed_in_and_for_no_shared_cache() {
    let test = start(|_| {});
    let user = UserAgent::signed_in(&test.system);
    rewrite_envoy(&test.system, |configuration| {
        let direct = json!({"status": 200, "body": {"inline_string": "from Envoy"}});
        assert!(
            replace_routes(configuration, &json!("business_api"), &direct) > 0,
            "no route to the API"
        );
    });
    let response = user.get_data();
    assert_eq!((response.status, response.body.as_slice()), (200, &b"from Envoy"[..]));
    assert_eq!(response.all("cache-control"), ["private"]);
    let stranger = Client::new(&test.system)
        .send("api", &Request::new("GET", "/api/data"))
        .expect("a response");
    assert_eq!((stranger.status, stranger.code().as_str()), (401, "unauthorized"));
}

/// Replaces the action of each route to a cluster by a direct response. Returns how many there were.
fn replace_routes(part: &mut Value, cluster: &Value, direct: &Value) -> usize {
    let within = match &mut *part {
        Value::Object(members) => members
            .values_mut()
            .map(|member| replace_routes(member, cluster, direct))
            .sum(),
        Value::Array(members) => members
            .iter_mut()
            .map(|member| replace_routes(member, cluster, direct))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    let Some(route) = part.as_object_mut() else {
        return within;
    };
    if route.get("route").is_none_or(|action| action["cluster"] != *cluster) {
        return within;
    }
    route.remove("route");
    route.insert("direct_response".to_owned(), direct.clone());
    within + 1
}
