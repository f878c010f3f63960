//! The requirements in a route's metadata apply to the route that serves the request, although the filter changes headers by
//! which Envoy selects routes.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_tests::echoing_api::EchoingApi;
use bff_tests::http1::{Client, Request, Response};
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, start_envoy};
use bff_tests::user_agent::{AT, CSRF_HEADER};
use demo_system::{Component, Options};
use serde_json::json;

const WEB: &str = "bff_filter_web";
const DEFAULT: &str = "bff_filter_default";

/// Two routes for one path behind an entry point: the first for requests with a certain header, the second for all others. The
/// API receives `/first` or `/second`.
struct Pair {
    path: &'static str,
    entry_point: &'static str,
    matcher: &'static str,
    /// The required scopes in their metadata.
    scopes: [Option<&'static str>; 2],
}

/// The first route requires a scope that the token has, the second one more.
const DIFFERENT: [Option<&str>; 2] = [Some("data"), Some("admin")];

impl Pair {
    fn new(path: &'static str, matcher: &'static str) -> Self {
        Self {
            path,
            entry_point: WEB,
            matcher,
            scopes: DIFFERENT,
        }
    }

    fn yaml(&self) -> String {
        let route = |matcher: &str, scopes: Option<&str>, name: &str| {
            let metadata = match scopes {
                Some(scopes) => {
                    format!("metadata: {{ filter_metadata: {{ bff_filter: {{ required_scopes: {scopes} }} }} }}")
                }
                None => "metadata: {}".to_owned(),
            };
            let pad = " ".repeat(26);
            format!(
                "                        - match: {{ path_separated_prefix: {path}{matcher} }}\n\
                 {pad}route: {{ cluster: business_api, prefix_rewrite: /{name} }}\n\
                 {pad}{metadata}\n\
                 {pad}typed_per_filter_config: {{ {entry_point}: {{ \"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {{}} }} }}\n",
                path = self.path,
                entry_point = self.entry_point,
            )
        };
        let [first, second] = self.scopes;
        route(&format!(", headers: [{}]", self.matcher), first, "first") + &route("", second, "second")
    }
}

/// Envoy with these routes, whose entry points apply their requirements. `members` is JSON, which is added to
/// the web entry point's `phantom_token`.
fn start(pairs: &[Pair], members: &str) -> TestSystem {
    let (_server, server_address) = ScriptedIntrospection::start(|_, _| {
        let claims = json!({"active": true, "scope": "data", "tenant": "gold", "exp": 4_000_000_000_u64});
        Scripted::Active(claims)
    });
    let (_claims, claims_address) = ScriptedIntrospection::start(|_, _| {
        Scripted::Json(json!({"active": true, "scope": "data", "tenant": "gold", "exp": 4_000_000_000_u64}))
    });
    let (_api, api_address) = EchoingApi::start();
    let server = if members.is_empty() {
        server_address
    } else {
        claims_address
    };
    start_envoy(server, api_address, |options| with_routes(options, pairs, members))
}

fn with_routes(options: &mut Options, pairs: &[Pair], members: &str) {
    let before = "                        - match: { path_separated_prefix: /default }\n";
    let routes: String = pairs.iter().map(Pair::yaml).collect();
    let web = "\"token_cache_entries\": 10000";
    let default = "\"jwt_access_tokens\": \"introspect\"\n                              }\n                            }\n\n                  - name: envoy.filters.http.router";
    let drop = "headers_with_underscores_action: DROP_HEADER";
    let changes = [
        (before, format!("{routes}{before}")),
        (web, format!("{web}, \"route_metadata\": \"bff_filter\"{members}")),
        (
            default,
            default.replace("\"introspect\"", "\"introspect\", \"route_metadata\": \"bff_filter\""),
        ),
        // The filter itself must remove every spelling.
        (drop, drop.replace("DROP_HEADER", "ALLOW")),
    ];
    options
        .envoy_changes
        .extend(changes.map(|(find, with)| (find.to_owned(), with)));
}

/// What became of a request: its status, and the route that served it.
fn end(response: &Response) -> (u16, &str) {
    let line = response.body.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let route = match line {
        b"/first" => "first",
        b"/second" => "second",
        _ => "",
    };
    (response.status, route)
}

/// Sends the request with a new token three times: with an introspection callout, with the introspection in the cache,
/// and with the cookie in the cache. The result is always the same.
fn each_time(test: &TestSystem, path: &str, headers: &[(&str, &str)], expected: (u16, &str)) {
    let at = Seals::of(&test.system, "example").seal(Purpose::AccessToken, path, SessionId([1; 32]), 300);
    let client = Client::new(&test.system);
    for time in ["after a callout", "at once", "at once, by a cookie that is known"] {
        let request = Request::new("GET", path).header("cookie", format!("{AT}={at}"));
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value));
        let response = client.send("api", &request).expect("a response");
        assert_eq!(end(&response), expected, "{path} {time}");
        let of_the_api = ["set-cookie", "x-of-the-api"].map(|name| response.header(name).is_some());
        assert_eq!(of_the_api, [expected.0 == 200; 2], "{path} {time}");
    }
}

const CLAIMS: &str =
    r#", "response": "claims", "claim_to_headers": [{"header_name": "x-tenant", "claim_name": "tenant"}]"#;

#[test]
fn a_header_that_only_the_filter_sets_has_no_route_selected_whatever_its_spelling() {
    let pairs = [
        Pair::new("/identity", "{ name: x-tenant, string_match: { exact: lax } }"),
        Pair::new("/underscore", "{ name: x_tenant, string_match: { exact: lax } }"),
        Pair::new("/dots", "{ name: x.tenant, string_match: { exact: lax } }"),
        Pair::new("/credentials", "{ name: authorization, present_match: true }"),
    ];
    let test = start(&pairs, CLAIMS);
    for (path, header) in [
        ("/identity", ("x-tenant", "lax")),
        ("/underscore", ("x_tenant", "lax")),
        ("/dots", ("X.Tenant", "lax")),
        ("/credentials", ("authorization", "Bearer of-the-client")),
    ] {
        each_time(&test, path, &[header], (400, ""));
        // Without the header, the second route applies, which requires more than the token has.
        each_time(&test, path, &[], (403, ""));
    }
}

#[test]
fn what_the_route_that_was_asked_requires_is_what_the_route_requires_that_serves() {
    let absent = "{ name: x-tenant, present_match: true, invert_match: true }";
    let pair = |path, scopes| Pair {
        scopes,
        ..Pair::new(path, absent)
    };
    let pairs = [
        Pair::new("/csrf", "{ name: x-example-csrf, present_match: true }"),
        Pair::new("/cookie", "{ name: cookie, string_match: { contains: example-at } }"),
        Pair::new("/claim", absent),
        pair("/more", [Some("data"), Some("\"data openid\"")]),
        pair("/gone", [Some("data"), None]),
        pair("/same", [Some("data"), Some("data")]),
    ];
    let test = start(&pairs, CLAIMS);
    for path in ["/csrf", "/cookie", "/claim", "/more", "/gone"] {
        each_time(&test, path, &[(CSRF_HEADER, "junk")], (500, ""));
    }
    // Another route, which requires nothing more: operators who select routes by a claim want that.
    each_time(&test, "/same", &[], (200, "second"));
    let log = std::fs::read_to_string(test.system.log(Component::Envoy)).expect("the log");
    assert!(
        log.contains("\"bff:the_route_that_served_has_other_requirements_than_the_route_that_was_checked\""),
        "the access log says why"
    );
}

#[test]
fn the_token_that_takes_the_place_of_the_clients_selects_no_route_that_requires_more() {
    let pairs = [
        Pair::new(
            "/from-a-cookie",
            "{ name: authorization, present_match: true, invert_match: true }",
        ),
        Pair {
            entry_point: DEFAULT,
            ..Pair::new(
                "/from-a-client",
                "{ name: authorization, string_match: { exact: Bearer opaque } }",
            )
        },
    ];
    let test = start(&pairs, "");
    each_time(&test, "/from-a-cookie", &[], (500, ""));
    for _ in 0..3 {
        let request = Request::new("GET", "/from-a-client").header("authorization", "Bearer opaque");
        let response = Client::new(&test.system).send("api", &request).expect("a response");
        assert_eq!(end(&response), (500, ""));
    }
}
