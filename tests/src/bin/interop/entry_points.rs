//! Further entry points of a variant with token exchange: two APIs behind one Envoy, each with an audience of its own.

use bff_tests::echoing_api::EchoingApi;
use bff_tests::setup::{change_settings, rewrite_envoy};
use demo_system::System;
use serde_json::{Value, json};

/// The audiences of the two APIs.
pub(crate) const ORDERS: &str = "orders-api";
pub(crate) const BILLING: &str = "billing-api";
/// A client of the server that is no audience of the filter's client.
const NOT_PERMITTED: &str = "spa-client";
const UNKNOWN: &str = "no-such-api";

/// How long the entry point `/brief` caches, in seconds.
pub(crate) const BRIEF_SECONDS: u64 = 2;

/// The part of the configuration with routes and filters.
const HTTP: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const CLUSTERS: &str = "/static_resources/clusters";
/// What an entry point is made from, and what a request to it must have.
#[derive(Clone, Copy)]
enum From {
    /// The entry point "web": the cookies of a session.
    Web,
    /// The entry point "default": a bearer token.
    Default,
}

impl From {
    fn name(self) -> &'static str {
        match self {
            From::Web => "web",
            From::Default => "default",
        }
    }
}

/// Restarts Envoy with these entry points, whose APIs respond with the request that reached them:
///
/// | paths | requests with | the API gets |
/// |---|---|---|
/// | `/orders`, `/billing` | cookies | a token of its audience, by token exchange |
/// | `/brief` | cookies | the same as `/orders`, without the list of ended sessions, cached for [`BRIEF_SECONDS`] |
/// | `/not-permitted`, `/unknown` | cookies | nothing: the server issues no such token |
/// | `/orders-tokens`, `/billing-tokens` | bearer tokens | that token, a JWT, if it is of its audience |
/// | `/billing-exchange` | bearer tokens | a token of its audience, by token exchange after introspection |
pub(crate) fn add(system: &System, introspection_endpoint: &Value) {
    let (_, api) = EchoingApi::start();
    rewrite_envoy(system, |configuration| {
        let clusters = configuration.pointer_mut(CLUSTERS).and_then(Value::as_array_mut);
        let clusters = clusters.expect("clusters");
        let mut cluster = named(clusters, "business_api").clone();
        cluster["name"] = "two_apis".into();
        cluster["load_assignment"]["cluster_name"] = "two_apis".into();
        cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"] =
            api.port().into();
        clusters.push(cluster);
        let http = configuration.pointer_mut(HTTP).expect("routes and filters");
        let web = [
            ("/orders", ORDERS),
            ("/billing", BILLING),
            ("/not-permitted", NOT_PERMITTED),
            ("/unknown", UNKNOWN),
        ];
        for (path, audience) in web {
            add_one(http, From::Web, path, |settings| set_audience(settings, audience));
        }
        add_one(http, From::Web, "/brief", |settings| {
            set_audience(settings, ORDERS);
            settings["phantom_token"]["token_cache_seconds"] = BRIEF_SECONDS.into();
            settings["bff_token"]["ended_sessions"].take();
        });
        for (path, audience) in [("/orders-tokens", ORDERS), ("/billing-tokens", BILLING)] {
            add_one(http, From::Default, path, |settings| {
                let stage = &mut settings["phantom_token"];
                stage["token_exchange"].take();
                stage["introspection_endpoint"] = introspection_endpoint.clone();
                stage["jwt_access_tokens"] = "pass".into();
                stage["required_audience"] = audience.into();
            });
        }
        add_one(http, From::Default, "/billing-exchange", |settings| {
            set_audience(settings, BILLING);
        });
    });
}

fn set_audience(settings: &mut Value, audience: &str) {
    let stage = &mut settings["phantom_token"];
    stage["token_exchange"]["audience"] = audience.into();
    stage["required_audience"] = audience.into();
}

/// Adds a route, and the filter with other settings for it.
fn add_one(http: &mut Value, from: From, path: &str, change: impl FnOnce(&mut Value)) {
    let name = path.trim_start_matches('/');
    let (template, filter_name) = (format!("bff_filter_{}", from.name()), format!("bff_filter_{name}"));

    let filters = http["http_filters"].as_array_mut().expect("filters");
    let mut filter = named(filters, &template).clone();
    filter["name"] = filter_name.clone().into();
    let config = &mut filter["typed_config"];
    for named in ["/config/name", "/filter_name"] {
        if let Some(value) = config.pointer_mut(named) {
            *value = filter_name.clone().into();
        }
    }
    change_settings(&mut filter, change);
    filters.insert(0, filter);

    let routes = http["route_config"]["virtual_hosts"][0]["routes"].as_array_mut();
    let routes = routes.expect("routes");
    let mut route = named(routes, from.name()).clone();
    route["name"] = name.into();
    route["match"] = json!({"path_separated_prefix": path});
    route["route"]["cluster"] = "two_apis".into();
    let settings = route["typed_per_filter_config"].as_object_mut().expect("settings");
    let enabled = settings.remove(&template).expect("the filter is enabled");
    settings.insert(filter_name, enabled);
    routes.insert(0, route);
}

fn named<'a>(list: &'a [Value], name: &str) -> &'a Value {
    let found = list.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("missing {name} in envoy/envoy.yaml: restore it"))
}
