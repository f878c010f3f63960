//! The examples of the migration pages, in the real Envoy.

use bff_tests::echoing_api::EchoingApi;
use bff_tests::http1::{Client, Request, Response};
use bff_tests::repository;
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::setup::{TestSystem, start_envoy};
use demo_system::Options;

const PAGE: &str = "docs/migration/curity-token-handler.md";
/// The line of the shipped configuration before which the examples insert a route, in front of the API's.
const API_ROUTE: &str =
    "                        # The business API, behind CORS and the filter as the entry point \"web\".\n";

/// The example of the page that begins with this comment, with this indentation.
fn example(first_line: &str, indent: usize) -> String {
    let page = repository::text(PAGE);
    let (_, behind) = page
        .split_once(first_line)
        .unwrap_or_else(|| panic!("{PAGE} has no `{first_line}`: change this test to what it has"));
    let (yaml, _) = behind.split_once("```").expect("its end");
    let indent = " ".repeat(indent);
    let lines = yaml.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| format!("{indent}{line}\n")).collect()
}

/// Envoy with one more route in front of the API's.
fn with_route(route: &str, api: std::net::SocketAddr) -> TestSystem {
    let (_server, server) = ScriptedIntrospection::start(|_, _| Scripted::Inactive);
    start_envoy(server, api, |options: &mut Options| {
        let route = route.replace("https://www.example.com", &options.origin("www"));
        options
            .envoy_changes
            .push((API_ROUTE.to_owned(), format!("{route}{API_ROUTE}")));
    })
}

fn preflight(test: &TestSystem, path: &str, method: &str, headers: &str) -> Response {
    let request = Request::new("OPTIONS", path)
        .header("origin", test.system.www())
        .header("access-control-request-method", method)
        .header("access-control-request-headers", headers);
    Client::new(&test.system).send("api", &request).expect("a response")
}

#[test]
fn the_cors_policy_of_the_page_on_moving_over_grants_what_the_plugins_grant_by_default() {
    let (_api, address) = EchoingApi::start();
    let policy = example("# In typed_per_filter_config of the route.\n", 28);
    let route = format!(
        "                        - match: {{ path_separated_prefix: /moved }}\n                          \
         route: {{ cluster: business_api }}\n                          typed_per_filter_config:\n{policy}"
    );
    let test = with_route(&route, address);
    let response = preflight(&test, "/moved/data", "PATCH", "content-type,x-example-csrf");
    assert_eq!(response.status, 200);
    let listed = |name: &str| -> Vec<String> {
        let value = response.header(name).unwrap_or_default();
        value.split(',').map(|item| item.trim().to_ascii_lowercase()).collect()
    };
    for method in ["options", "head", "get", "post", "put", "patch", "delete"] {
        assert!(
            listed("access-control-allow-methods").contains(&method.to_owned()),
            "{method}"
        );
    }
    for header in ["content-type", "x-example-csrf"] {
        assert!(
            listed("access-control-allow-headers").contains(&header.to_owned()),
            "{header}"
        );
    }
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(response.header("access-control-max-age"), Some("86400"));
}

#[test]
fn an_api_that_answers_preflight_requests_itself_gets_them_by_a_route_without_the_filter() {
    let (api, address) = EchoingApi::start();
    let route = example(
        "# In front of the API's route, to the same cluster, and without typed_per_filter_config.\n",
        26,
    );
    let route = route
        .replacen("  match:", "- match:", 1)
        .replace("cluster: api", "cluster: business_api");
    let test = with_route(&route, address);
    let response = preflight(&test, "/api/data", "PUT", "x-of-the-api");
    assert_eq!(response.status, 200);
    let seen = String::from_utf8_lossy(&response.body).to_ascii_lowercase();
    assert!(
        seen.contains("access-control-request-headers: x-of-the-api"),
        "the API answers: {seen}"
    );
    // Everything else goes through the filter as before.
    let reached = api.count();
    let client = Client::new(&test.system);
    for request in [
        Request::new("OPTIONS", "/api/data"),
        Request::new("GET", "/api/data").header("access-control-request-method", "GET"),
    ] {
        let response = client
            .send("api", &request.header("origin", test.system.www()))
            .expect("a response");
        assert_eq!(response.status, 401);
    }
    assert_eq!(api.count(), reached);
}
