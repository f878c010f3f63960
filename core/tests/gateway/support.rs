//! A gateway with a known configuration, requests, and what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Binding, Content, NONCE_BYTES, Sealer};
use bff_core::cookie::session_id::SessionId;
use bff_core::crypto::key_ring::KeyRing;
use bff_core::encoding::base64url;
use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::{RequestAttributes, StreamId};
use bff_core::gateway::authorization_server::{ServerRequest, ServerResponse};
use bff_core::gateway::config::Config;
use bff_core::gateway::effect::{Command, Decision, Effect};
use bff_core::gateway::error_code::ErrorCode;
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_core::gateway::single_flight::FlightId;
use bff_core::gateway::token_memory::TokenMemory;
use bff_core::request::head::RequestHead;
use serde_json::{Value, json};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ORIGIN: &str = "https://www.example.com";
pub(crate) const CSRF: &str = "csrf-value";
pub(crate) const SESSION: SessionId = SessionId([7; 32]);
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A connection without a certificate, on a route without metadata.
pub(crate) struct Plain;

impl RequestAttributes for Plain {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        None
    }

    fn route_metadata(&self, _namespace: &str, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

pub(crate) trait Ask {
    /// Sends a request on a plain connection.
    fn ask(&mut self, stream: StreamId, head: &RequestHead, now: u64) -> Vec<Effect>;
}

impl Ask for Gateway {
    fn ask(&mut self, stream: StreamId, head: &RequestHead, now: u64) -> Vec<Effect> {
        asked(self, stream, head, &Plain, now)
    }
}

/// Sends a request, which waits for an introspection if it must.
pub(crate) fn asked(
    gateway: &mut Gateway,
    stream: StreamId,
    head: &RequestHead,
    attributes: &dyn RequestAttributes,
    now: u64,
) -> Vec<Effect> {
    let effect = gateway.on_request(stream, head, attributes, now);
    Vec::from_iter(effect.or_else(|| gateway.call_out(stream, Duration::from_secs(now))))
}

/// Returns a complete configuration, changed by a merge.
pub(crate) fn configuration(changes: Value) -> Value {
    let mut base = json!({
        "bff_token": {
            "cookie_name_prefix": "example",
            "encryption_key": {"env": "BFF_COOKIE_KEYS"},
            "trusted_web_origins": [ORIGIN],
            "cookie_hardening": "none",
        },
        "phantom_token": {
            "introspection_endpoint": "https://login.example.com/oauth/v2/oauth-introspect",
            "cluster": "authorization_server",
            "client_id": "api-gateway-client",
            "client_secret": {"env": "GATEWAY_CLIENT_SECRET"},
        },
    });
    merge(&mut base, changes);
    base
}

pub(crate) fn merge(base: &mut Value, changes: Value) {
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) => {
            for (name, value) in changes {
                if value.is_null() {
                    base.remove(&name);
                } else {
                    merge(base.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (base, changes) => *base = changes,
    }
}

pub(crate) fn env(name: &str) -> Option<String> {
    match name {
        "BFF_COOKIE_KEYS" => Some(KEY.to_owned()),
        "GATEWAY_CLIENT_SECRET" => Some("a secret:&%".to_owned()),
        _ => None,
    }
}

pub(crate) fn gateway(changes: Value) -> Gateway {
    Gateway::new(Config::parse(configuration(changes).to_string().as_bytes(), env).unwrap())
}

/// Returns gateways of one configuration and one memory.
pub(crate) fn gateways_with_one_memory(count: usize, changes: Value) -> Vec<Gateway> {
    let config = Config::parse(configuration(changes).to_string().as_bytes(), env).unwrap();
    let memory = TokenMemory::of_process(config.phantom_token.as_ref().unwrap());
    let gateway = |_| Gateway::with_memory(config.clone(), |_| Arc::clone(&memory));
    (0..count).map(gateway).collect()
}

pub(crate) fn seal_as(purpose: Purpose, value: &str, session: SessionId, expires_at: u64) -> String {
    seal_in(Binding::Unbound, purpose, value, session, expires_at)
}

pub(crate) fn seal_in(binding: Binding, purpose: Purpose, value: &str, session: SessionId, expires_at: u64) -> String {
    let sealer = Sealer::new(KeyRing::parse(KEY, false).unwrap().0, "example", false);
    let content = Content {
        value: value.as_bytes(),
        session,
        began_at: NOW,
        expires_at,
    };
    sealer.seal_in(binding, purpose, &content, [3; NONCE_BYTES]).unwrap()
}

pub(crate) fn at(token: &str) -> String {
    format!(
        "example-at={}",
        seal_as(Purpose::AccessToken, token, SESSION, NOW + 300)
    )
}

pub(crate) fn csrf() -> String {
    format!("example-csrf={}", seal_as(Purpose::Csrf, CSRF, SESSION, NOW + 300))
}

/// Builds a head; entries `("", …)` are left out, so that a table can omit a header.
pub(crate) fn head(method: &str, lines: &[(&str, &str)]) -> RequestHead<'static> {
    let lines = lines.iter().filter(|(name, _)| !name.is_empty());
    let lines = lines.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    let pseudo = [
        (":method".to_owned(), method.as_bytes().to_vec()),
        (":path".to_owned(), b"/api/data".to_vec()),
    ];
    head_of(pseudo.into_iter().chain(lines))
}

/// Builds a head of these lines. It borrows them, so they are leaked, which a test can afford.
pub(crate) fn head_of(lines: impl IntoIterator<Item = (String, Vec<u8>)>) -> RequestHead<'static> {
    RequestHead::new(lines.into_iter().map(|(name, value)| {
        let (name, value): (&'static str, &'static [u8]) = (name.leak(), value.leak());
        (name.as_bytes(), value)
    }))
}

/// Builds a head that passes every check of the cookie stage.
pub(crate) fn valid(method: &str, token: &str) -> RequestHead<'static> {
    head(
        method,
        &[
            ("origin", ORIGIN),
            ("x-example-csrf", CSRF),
            ("cookie", &format!("{}; {}", at(token), csrf())),
        ],
    )
}

/// Builds a head with this bearer token and nothing else.
pub(crate) fn bearer(token: &str) -> RequestHead<'static> {
    head("GET", &[("authorization", &format!("Bearer {token}"))])
}

pub(crate) fn jwt(claims: Value) -> String {
    let part = |value: Value| base64url::encode(value.to_string().as_bytes());
    format!(
        "{}.{}.c2lnbmF0dXJl",
        part(json!({"alg": "RS256", "typ": "at+jwt"})),
        part(claims)
    )
}

pub(crate) fn response(status: u16, content_type: &str, cache_control: &[&str], body: &str) -> ServerResponse {
    ServerResponse::Http {
        status,
        content_type: content_type.as_bytes().to_vec(),
        cache_control: cache_control.iter().map(|line| line.as_bytes().to_vec()).collect(),
        body: Some(body.as_bytes().to_vec()),
    }
}

pub(crate) fn active(claims: Value) -> ServerResponse {
    response(200, "application/jwt", &[], &jwt(claims))
}

/// Returns the settings of a token exchange for an audience.
pub(crate) fn exchange_for(audience: &str) -> Value {
    json!({"token_endpoint": "https://login.example.com/oauth/v2/oauth-token", "audience": audience})
}

/// Returns the response to a token exchange with this token.
pub(crate) fn exchanged(token: &str) -> ServerResponse {
    let members = json!({
        "access_token": token,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": 300,
    });
    response(200, "application/json", &["no-store"], &members.to_string())
}

/// How a request ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Forwarded with this `Authorization`.
    Forwarded(String),
    /// Refused with this status and challenge.
    Refused(u16, Option<String>),
}

/// Returns the `Authorization` that is forwarded.
pub(crate) fn authorization(mutations: &HeaderMutations) -> Option<String> {
    let (_, value) = mutations.headers_to_set().find(|(name, _)| *name == "authorization")?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

pub(crate) fn ends(effects: &[Effect]) -> Vec<(StreamId, End)> {
    let decisions = effects.iter().filter_map(|effect| match effect {
        Effect::Decide { stream, decision } => Some((*stream, decision)),
        Effect::Run(_) => None,
    });
    let end = |decision: &Decision| match decision {
        Decision::Forward(forward) => End::Forwarded(authorization(&forward.mutations).expect("a token")),
        Decision::Reject(rejection) => End::Refused(rejection.code.status(), rejection.challenge()),
    };
    decisions.map(|(stream, decision)| (stream, end(decision))).collect()
}

/// Returns the header mutations of the forwarded request.
pub(crate) fn mutations(effects: &[Effect]) -> Option<&HeaderMutations> {
    effects.iter().find_map(|effect| match effect {
        Effect::Decide {
            decision: Decision::Forward(forward),
            ..
        } => Some(&forward.mutations),
        _ => None,
    })
}

/// Returns the status and the details of the only rejection among the effects.
pub(crate) fn rejection(effects: &[Effect]) -> (u16, &'static str) {
    let mut found = effects.iter().filter_map(|effect| match effect {
        Effect::Decide {
            decision: Decision::Reject(rejection),
            ..
        } => Some((rejection.code.status(), rejection.details)),
        _ => None,
    });
    let rejection = found.next().expect("a rejection");
    assert!(found.next().is_none());
    rejection
}

/// Returns the error code of the rejection among the effects.
pub(crate) fn rejected_with(effects: &[Effect]) -> ErrorCode {
    let code = effects.iter().find_map(|effect| match effect {
        Effect::Decide {
            decision: Decision::Reject(rejection),
            ..
        } => Some(rejection.code),
        _ => None,
    });
    code.expect("a rejection")
}

/// Returns the introspection among the effects.
pub(crate) fn flight(effects: &[Effect]) -> Option<(Option<StreamId>, FlightId)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Run(Command::CallOut { flight, .. }) => Some((flight.leader(), *flight)),
        _ => None,
    })
}

/// Returns the introspection request among the effects.
pub(crate) fn introspection_request(effects: &[Effect]) -> Option<&ServerRequest> {
    effects.iter().find_map(|effect| match effect {
        Effect::Run(Command::CallOut { request, .. }) => Some(request),
        _ => None,
    })
}

/// Returns the status if the request is refused at once, without another effect.
pub(crate) fn refused(gateway: &mut Gateway, head: &RequestHead) -> Option<u16> {
    let effects = gateway.ask(1, head, NOW);
    match ends(&effects).as_slice() {
        [(1, End::Refused(status, _))] if flight(&effects).is_none() => Some(*status),
        _ => {
            gateway.on_stream_end(1);
            None
        }
    }
}

/// Whether the request leads to an introspection.
pub(crate) fn is_admitted(gateway: &mut Gateway, head: &RequestHead) -> bool {
    let effects = gateway.ask(1, head, NOW);
    gateway.on_stream_end(1);
    flight(&effects).is_some() && ends(&effects).is_empty()
}
