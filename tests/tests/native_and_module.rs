//! The rules are tested natively, and run as a module in Envoy. One corpus of requests goes through both, with the same
//! decisions: forwarded with the same changes, or refused with the same response.

use std::net::TcpStream;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::RequestAttributes;
use bff_core::gateway::authorization_server::ServerResponse;
use bff_core::gateway::config::Config;
use bff_core::gateway::effect::{Command, Decision, Effect, Forward};
use bff_core::request::head::RequestHead;
use bff_tests::echoing_api::{EchoingApi, values};
use bff_tests::http1::{Client, Request};
use bff_tests::request_corpus::{Corpus, Sent};
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection, jwt};
use bff_tests::setup::start_envoy;
use bff_tests::user_agent::CSRF_HEADER;
use demo_system::{Options, System};
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};

const REQUESTS: usize = 20_000;

/// When the users of tokens that are not stale have signed in, in seconds since 1970.
static SIGNED_IN_AT: LazyLock<u64> = LazyLock::new(now);

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

struct NoRoute;

impl RequestAttributes for NoRoute {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        None
    }

    fn route_metadata(&self, _namespace: &str, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

/// The introspection response for a token, by its name.
fn script(token: &str) -> Scripted {
    let expires = 4_000_000_000_u64;
    match token.split('-').next().unwrap_or_default() {
        "good" => Scripted::Active(json!({"sub": token, "acr": "gold", "auth_time": *SIGNED_IN_AT, "exp": expires})),
        "weak" => Scripted::Active(json!({"sub": token, "acr": "bronze", "auth_time": *SIGNED_IN_AT, "exp": expires})),
        "stale" => Scripted::Active(json!({"sub": token, "acr": "gold", "auth_time": 5, "exp": expires})),
        "bound" => Scripted::Active(json!({"exp": expires, "cnf": {"x5t#S256": "A".repeat(43)}})),
        "old" => Scripted::Active(json!({"exp": 1})),
        "claims" => Scripted::Json(json!({"active": true, "exp": expires})),
        "failing" => Scripted::Failing,
        "reset" => Scripted::Reset,
        _ => Scripted::Inactive,
    }
}

/// The same, as the module gives it to the gateway.
fn native_response(token: &str) -> ServerResponse {
    let http = |status, content_type: &str, body: String| ServerResponse::Http {
        status,
        content_type: content_type.into(),
        cache_control: Vec::new(),
        body: Some(body.into_bytes()),
    };
    match script(token) {
        Scripted::Active(claims) => http(200, "application/jwt", jwt(&claims)),
        Scripted::Json(members) => http(200, "application/json", members.to_string()),
        Scripted::Inactive => http(204, "", String::new()),
        Scripted::Failing => http(500, "", String::new()),
        // Envoy's own response to the module when a connection breaks.
        Scripted::Reset => http(503, "text/plain", String::new()),
    }
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It reached the API with these values of the headers that the filter sets or removes.
    Forwarded(Vec<(&'static str, Vec<String>)>),
    Refused {
        status: u16,
        challenge: Option<String>,
        body: String,
    },
}

const LOOKED_AT: [&str; 5] = ["authorization", "cookie", CSRF_HEADER, "x-application", "origin"];

/// A header's value without white space around it (RFC 9110, section 5.5), in a form that can be printed.
fn shown(value: &[u8]) -> String {
    value.trim_ascii().escape_ascii().to_string()
}

/// The native gateway, with the plugin configuration that Envoy has.
fn native(gateway: &mut Gateway, sent: &Sent) -> End {
    let now = now();
    let seen = sent.seen();
    let effect = gateway.on_request(1, &head_of(&seen), &NoRoute, now);
    let mut effects = Vec::from_iter(effect.or_else(|| gateway.call_out(1, Duration::from_secs(now))));
    if let Some(Effect::Run(Command::CallOut { flight, request, .. })) = effects.first() {
        let mut form = url::form_urlencoded::parse(&request.body);
        let token = form.find(|(name, _)| name == "token").expect("a token").1.into_owned();
        effects = gateway.on_server_response(*flight, &native_response(&token), now);
    }
    gateway.on_stream_end(1);
    let Some(Effect::Decide { decision, .. }) = effects.pop() else {
        panic!("a request without a decision");
    };
    match decision {
        Decision::Forward(Forward { mutations, .. }) => {
            let mut upstream = seen;
            upstream.retain(|(name, _)| !mutations.remove.iter().any(|removed| removed == name));
            for (name, value) in mutations.headers_to_set() {
                upstream.retain(|(found, _)| found != name);
                upstream.push((name.to_owned(), value.to_vec()));
            }
            let of = |name: &str| {
                let lines = upstream.iter().filter(|(found, _)| found == name);
                lines.map(|(_, value)| shown(value)).collect()
            };
            End::Forwarded(LOOKED_AT.map(|name| (name, of(name))).to_vec())
        }
        Decision::Reject(rejection) => End::Refused {
            status: rejection.code.status(),
            challenge: rejection.challenge(),
            body: rejection.body(),
        },
    }
}

struct Module {
    client: Client,
    stream: Option<StreamOwned<ClientConnection, TcpStream>>,
}

impl Module {
    fn send(&mut self, sent: &Sent) -> End {
        let headers = sent.headers.iter();
        let request = headers.fold(Request::new(&sent.method, &sent.path), |request, (name, value)| {
            request.header(name, value)
        });
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.client.connect("api").expect("a connection"),
        };
        let response = self.client.send_on(&mut stream, "api", &request).expect("a response");
        if response.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        match response.status {
            200 => {
                let of = |name| values(&response.body, name).iter().map(|value| shown(value)).collect();
                End::Forwarded(LOOKED_AT.map(|name| (name, of(name))).to_vec())
            }
            status => End::Refused {
                status,
                challenge: response.header("www-authenticate").map(str::to_owned),
                body: String::from_utf8_lossy(&response.body).into_owned(),
            },
        }
    }
}

/// Each entry point requires something of the user's authentication.
fn require_authentication(options: &mut Options) {
    let web = "\"token_cache_entries\": 10000";
    let default = "\"jwt_access_tokens\": \"introspect\"\n                              }\n                            }\n\n                  - name: envoy.filters.http.router";
    let required = "\"required_acr\": [\"silver\", \"gold\"]";
    let changes = [
        (web, format!("{web}, {required}, \"max_auth_age\": 86400")),
        (default, format!("{required}, {default}")),
    ];
    options
        .envoy_changes
        .extend(changes.map(|(find, with)| (find.to_owned(), with)));
}

/// The plugin configurations in Envoy's file, in its order.
fn plugin_configurations(system: &System) -> Vec<Value> {
    let yaml = std::fs::read_to_string(system.directory().join("envoy.yaml")).expect("Envoy's configuration");
    let blocks = yaml.split("value: |\n").skip(1);
    let configurations = blocks.map(|block| {
        let lines: Vec<&str> = block.lines().collect();
        let indent = lines[0].len() - lines[0].trim_start().len();
        let inside = |line: &&&str| line.len() - line.trim_start().len() >= indent && !line.trim().is_empty();
        let text: String = lines.iter().take_while(inside).copied().collect();
        serde_json::from_str(&text).expect("JSON")
    });
    configurations.collect()
}

fn gateway(system: &System, configuration: &Value) -> Gateway {
    let keys = std::fs::read_to_string(system.cookie_keys_file()).expect("the cookie keys");
    let env = |name: &str| match name {
        "BFF_COOKIE_KEYS" => Some(keys.trim().to_owned()),
        _ => Some("any secret".to_owned()),
    };
    Gateway::new(Config::parse(configuration.to_string().as_bytes(), env).expect("a configuration"))
}

#[test]
fn the_module_in_envoy_and_the_gate_natively_say_the_same_of_one_corpus_of_requests() {
    let (_server, server_address) = ScriptedIntrospection::start(|token, _| script(token));
    let (_api, api_address) = EchoingApi::start();
    // One worker, like the one native gateway: earlier requests determine what is cached.
    let test = start_envoy(server_address, api_address, |options| {
        options.envoy_concurrency = Some(1);
        require_authentication(options);
    });
    let system = &test.system;
    let configurations = plugin_configurations(system);
    let mut gateways: Vec<Gateway> = configurations.iter().map(|json| gateway(system, json)).collect();
    let mut module = Module {
        client: Client::new(system),
        stream: None,
    };
    let mut corpus = Corpus::new(system);
    let (mut forwarded, mut refused) = ([0; 2], std::collections::BTreeMap::new());
    let mut weak = [0; 2];
    for number in 0..REQUESTS {
        let entry_point = usize::from(number % 4 == 3);
        let sent = match entry_point {
            0 => corpus.web(),
            _ => corpus.default(),
        };
        let expected = native(&mut gateways[entry_point], &sent);
        let found = module.send(&sent);
        let lines: Vec<_> = sent
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", shown(value)))
            .collect();
        assert_eq!(
            found, expected,
            "request {number}: {} {} {lines:#?}",
            sent.method, sent.path
        );
        match found {
            End::Forwarded(_) => forwarded[entry_point] += 1,
            End::Refused { status, body, .. } => {
                *refused.entry(status).or_insert(0) += 1;
                weak[entry_point] += usize::from(body.contains("insufficient_user_authentication"));
            }
        }
    }
    println!("forwarded {forwarded:?}, refused {refused:?}, with insufficient authentication {weak:?}");
    // A corpus of which everything is refused would compare little.
    assert!(forwarded.iter().all(|count| *count > REQUESTS / 100), "{forwarded:?}");
    assert!(weak.iter().all(|count| *count > REQUESTS / 1000), "{weak:?}");
    for status in [401, 502] {
        assert!(refused.contains_key(&status), "{refused:?}");
    }
}

fn head_of(lines: &[(String, Vec<u8>)]) -> RequestHead<'_> {
    RequestHead::new(lines.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())))
}
