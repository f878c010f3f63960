//! The gateway as a whole, as a sequence of events: nothing is forwarded without proof, no request has two ends, no request
//! waits for ever, memory is bounded.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use bff_core::cookie::purpose::Purpose;
use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::{RequestAttributes, StreamId};
use bff_core::gateway::authorization_server::{ServerResponse, Step};
use bff_core::gateway::config::Config;
use bff_core::gateway::effect::{Command, Decision, Effect};
use bff_core::gateway::single_flight::FlightId;
use bff_core::request::head::RequestHead;
use bff_core::session::ended_sessions::{Ended, EndedSessions};
use bff_fuzz::{KEY, NOW, encode, seal};

const TOKENS: [&str; 3] = ["one", "two", "three"];
const CSRF: &str = "csrf-value";

static COOKIES: LazyLock<Vec<String>> = LazyLock::new(|| {
    TOKENS
        .map(|token| seal(Purpose::AccessToken, token.as_bytes()))
        .to_vec()
});
static CSRF_COOKIE: LazyLock<String> = LazyLock::new(|| seal(Purpose::Csrf, CSRF.as_bytes()));
static CONFIG: LazyLock<Config> = LazyLock::new(|| config(""));
static EXCHANGING: LazyLock<Config> =
    LazyLock::new(|| config(r#", "token_exchange": {"token_endpoint": "https://l/t", "audience": "orders"}"#));

/// A configuration with these further members of the token stage.
fn config(members: &str) -> Config {
    let json = r#"{
        "bff_token": {"cookie_name_prefix": "example", "cookie_hardening": "none", "encryption_key": {"env": "KEYS"},
            "trusted_web_origins": ["https://www.example.com"], "ended_sessions": {"cluster": "b"}},
        "phantom_token": {"introspection_endpoint": "https://l/i", "cluster": "c", "client_id": "i",
            "client_secret": {"inline": "s"}, "token_cache_entries": 2MEMBERS}}"#;
    let json = json.replace("MEMBERS", members);
    Config::parse(json.as_bytes(), |_| Some(KEY.to_owned())).expect("a configuration")
}

/// The JWT in the authorization server's response for this token.
fn jwt(token: usize) -> String {
    let part = |json: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json);
    let header = part(r#"{"alg":"ES256","typ":"at+jwt"}"#.to_owned());
    let claims = part(format!(r#"{{"sub":"{}","exp":{}}}"#, TOKENS[token], NOW + 100_000));
    format!("{header}.{claims}.{}", encode(b"signature"))
}

/// The response that calls this token active, or exchanges it.
fn active(step: Step, exchanges: bool, token: usize) -> ServerResponse {
    let (content_type, body) = match (step, exchanges) {
        (Step::Introspection, false) => ("application/jwt", jwt(token)),
        (Step::Introspection, true) => ("application/json", r#"{"active":true}"#.to_owned()),
        (Step::Exchange, _) => (
            "application/json",
            format!(r#"{{"access_token":"{}","token_type":"Bearer"}}"#, jwt(token)),
        ),
    };
    ServerResponse::Http {
        status: 200,
        content_type: content_type.as_bytes().to_vec(),
        cache_control: Vec::new(),
        body: Some(body.into_bytes()),
    }
}

/// No certificate, no route metadata.
struct Plain;

impl RequestAttributes for Plain {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        None
    }

    fn route_metadata(&self, _namespace: &str, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

struct World {
    gateway: Gateway,
    open: BTreeMap<StreamId, Option<usize>>,
    ended: BTreeSet<StreamId>,
    /// Callouts: for which token and step.
    callouts: BTreeMap<FlightId, (usize, Step)>,
}

impl World {
    fn effects(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Decide { stream, decision } => {
                    let token = self.open.remove(&stream).expect("a request that is open");
                    assert!(self.ended.insert(stream), "a second end");
                    let Decision::Forward(forward) = decision else {
                        continue;
                    };
                    let token = token.expect("forwarded without proof");
                    let mut set = forward.mutations.headers_to_set();
                    let (_, value) = set.find(|(name, _)| *name == "authorization").expect("a token");
                    assert_eq!(
                        value,
                        format!("Bearer {}", jwt(token)).as_bytes(),
                        "the JWT of another user"
                    );
                }
                Effect::Run(Command::CallOut { flight, request }) => {
                    let body = String::from_utf8_lossy(&request.body);
                    let is_for = |token: &&str| body.contains(&format!("token={token}"));
                    let token = TOKENS.iter().position(is_for).expect("a token");
                    self.callouts.insert(flight, (token, request.step));
                }
                Effect::Run(
                    Command::Share { .. }
                    | Command::TakeOver { .. }
                    | Command::Store(_)
                    | Command::PollEndedSessions { .. }
                    | Command::Warn(_),
                ) => {}
            }
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut bytes = data.iter().copied();
    let exchanges = bytes.next().is_some_and(|byte| byte % 2 == 1);
    let config = if exchanges { &EXCHANGING } else { &CONFIG };
    let mut world = World {
        gateway: Gateway::new(Config::clone(config)),
        open: BTreeMap::new(),
        ended: BTreeSet::new(),
        callouts: BTreeMap::new(),
    };
    let (mut now, mut last) = (NOW, 0);
    let mut has_session_ended = false;
    while let (Some(kind), Some(argument)) = (bytes.next(), bytes.next()) {
        match kind % 8 {
            // A request with any part that it needs, and any part that makes it invalid.
            0..=2 => {
                last += 1;
                let flags = bytes.next().unwrap_or(0);
                let has = |bit: u8| flags & (1 << bit) != 0;
                let first = usize::from(argument % 3);
                // All access token cookies belong to one session and expire at one time. Of two, the one in the second line
                // counts.
                let token = if has(7) { 0 } else { first };
                let method = if has(0) { "POST" } else { "GET" };
                let mut lines = vec![
                    (":method".to_owned(), method.as_bytes().to_vec()),
                    (":path".to_owned(), b"/api".to_vec()),
                ];
                let mut cookie = String::from("other=1");
                if !has(1) {
                    cookie.push_str(&format!("; example-at={}", COOKIES[first]));
                }
                if has(2) {
                    cookie.push_str(&format!("; example-csrf={}", *CSRF_COOKIE));
                }
                lines.push(("cookie".to_owned(), cookie.into_bytes()));
                if has(3) {
                    lines.push(("x-example-csrf".to_owned(), CSRF.as_bytes().to_vec()));
                }
                if has(4) {
                    lines.push(("origin".to_owned(), b"https://www.example.com".to_vec()));
                }
                if has(5) {
                    lines.push(("origin".to_owned(), b"https://evil.example".to_vec()));
                }
                if has(6) {
                    lines.push(("sec-fetch-site".to_owned(), b"cross-site".to_vec()));
                }
                if has(7) {
                    lines.push(("cookie".to_owned(), format!("example-at={}", COOKIES[0]).into_bytes()));
                }
                let proven = (!has(1) || has(7))
                    && !has(5)
                    && !has(6)
                    && !has_session_ended
                    && now < NOW + 300
                    && (!has(0) || (has(2) && has(3) && has(4)));
                world.open.insert(last, proven.then_some(token));
                let effect = world.gateway.on_request(last, &head_of(&lines), &Plain, now);
                let effect = effect.or_else(|| world.gateway.call_out(last, Duration::from_secs(now)));
                let effects = Vec::from_iter(effect);
                world.effects(effects);
                assert!(proven || !world.open.contains_key(&last), "it waits without proof");
            }
            3 => {
                let alive: Vec<FlightId> = world
                    .callouts
                    .keys()
                    .filter(|id| id.leader().is_none_or(|leader| world.open.contains_key(&leader)))
                    .copied()
                    .collect();
                let Some(id) = alive.get(usize::from(argument) % alive.len().max(1)).copied() else {
                    continue;
                };
                let (token, step) = world.callouts.remove(&id).expect("alive");
                let body = bytes.next().unwrap_or(0);
                let response = match body % 4 {
                    0 | 1 => active(step, exchanges, token),
                    2 => ServerResponse::Http {
                        status: 204,
                        content_type: Vec::new(),
                        cache_control: Vec::new(),
                        body: Some(Vec::new()),
                    },
                    _ => ServerResponse::Failed,
                };
                let effects = world.gateway.on_server_response(id, &response, now);
                world.effects(effects);
            }
            4 => {
                let Some(stream) = world
                    .open
                    .keys()
                    .nth(usize::from(argument) % world.open.len().max(1))
                    .copied()
                else {
                    continue;
                };
                world.open.remove(&stream);
                world.ended.insert(stream);
                world.gateway.on_stream_end(stream);
            }
            5 => {
                let mut effects = world.gateway.on_tick(now);
                effects.extend(world.gateway.repeat_lost());
                world.effects(effects);
            }
            6 => now += u64::from(argument),
            _ => {
                let mut list = EndedSessions::new(4, 0);
                if argument % 4 == 0 {
                    list.end(Ended::Session([7; 16]), now);
                    has_session_ended = true;
                }
                world.gateway.on_ended_sessions(200, Some(list.to_json("v").as_bytes()));
            }
        }
        // Active and inactive responses have a cache of their own, for two each.
        assert!(world.gateway.cached_responses() <= 4 && world.gateway.cached_cookies() <= 4);
        assert!(world.gateway.in_flight() <= TOKENS.len());
    }
    // In every case, no request waits after all remaining callouts have a response.
    let mut effects = world.gateway.on_tick(now);
    effects.extend(world.gateway.repeat_lost());
    world.effects(effects);
    while let Some(id) = world.callouts.keys().next().copied() {
        world.callouts.remove(&id);
        let effects = world.gateway.on_server_response(id, &ServerResponse::Failed, now);
        world.effects(effects);
    }
    assert!(
        world.open.is_empty() && world.gateway.in_flight() == 0,
        "a request waits for ever"
    );
});

fn head_of(lines: &[(String, Vec<u8>)]) -> RequestHead<'_> {
    RequestHead::new(lines.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())))
}
