//! Token exchange (RFC 8693): one session, and two APIs with an audience each.

use std::fs;
use std::time::{Duration, Instant};

use bff_core::cookie::purpose::Purpose;
use bff_tests::echoing_api::values;
use bff_tests::http1::{Request, Response};
use bff_tests::setup::statistic;
use bff_tests::user_agent::{AT, UserAgent};
use demo_system::Component;
use serde_json::json;

use super::{Done, StepResult};
use crate::entry_points::{BILLING, BRIEF_SECONDS, ORDERS};
use crate::variant::{Form, WORKERS};
use crate::walk::{Walk, expect, part};

/// The path and the audience of each API.
const APIS: [(&str, &str); 2] = [("/orders/1", ORDERS), ("/billing/1", BILLING)];
/// Requests at once: so many that every worker gets some.
const AT_ONCE: usize = 48;
/// Time in which Envoy shows what the filter has counted.
const COUNTED: Duration = Duration::from_secs(2);

fn is_about(walk: &Walk<'_>) -> bool {
    walk.variant.form == Form::TokenExchange
}

fn get(user: &UserAgent, path: &str) -> Response {
    user.send(&user.bff_request("GET", path))
}

fn get_with_token(user: &UserAgent, path: &str, token: &str) -> Response {
    user.send(&Request::new("GET", path).header("authorization", format!("Bearer {token}")))
}

/// The token that reached an API. The API has responded with the head of the request.
fn forwarded(path: &str, response: &Response) -> Result<String, String> {
    expect(path, response, 200)?;
    if String::from_utf8_lossy(&response.body).contains(&format!("{AT}=")) {
        return Err(format!("{path}: the access token cookie reached the API"));
    }
    let authorization = values(&response.body, "authorization");
    let [value] = authorization.as_slice() else {
        return Err(format!(
            "{path}: {} Authorization headers reached the API",
            authorization.len()
        ));
    };
    let value = String::from_utf8_lossy(value).into_owned();
    let token = value.strip_prefix("Bearer ").map(str::to_owned);
    token.ok_or_else(|| format!("{path}: no bearer token reached the API"))
}

/// Each API gets a token of its own audience alone.
pub(super) fn own_tokens(walk: &Walk<'_>) -> StepResult {
    if !is_about(walk) {
        return Ok(Done::NotHere);
    }
    let user = walk.signed_in()?;
    let subject = walk.id_token_claims(&user)?["sub"].clone();
    let mut tokens = vec![walk.token(&user, Purpose::AccessToken)?];
    for (path, audience) in APIS {
        let token = forwarded(path, &get(&user, path))?;
        let claims = part(&token, 1)?;
        if claims["aud"] != audience && claims["aud"] != json!([audience]) {
            return Err(format!(
                "{path}: expected a token with `aud` {audience} alone, received `aud` {}",
                claims["aud"]
            ));
        }
        if claims["sub"] != subject {
            return Err(format!("{path}: `sub` of the token is not that of the ID token"));
        }
        if tokens.contains(&token) {
            return Err(format!(
                "{path}: the API got the token of the session or of the other API"
            ));
        }
        tokens.push(token);
    }
    Ok(Done::Passed)
}

/// What one API may receive, the other one's entry point refuses.
pub(super) fn tokens_of_the_other(walk: &Walk<'_>) -> StepResult {
    if !is_about(walk) {
        return Ok(Done::NotHere);
    }
    let user = walk.signed_in()?;
    let of_session = walk.token(&user, Purpose::AccessToken)?;
    let [orders, billing] = APIS.map(|(path, _)| forwarded(path, &get(&user, path)));
    let (orders, billing) = (orders?, billing?);
    for (path, own, others) in [
        ("/orders-tokens/1", &orders, [&billing, &of_session]),
        ("/billing-tokens/1", &billing, [&orders, &of_session]),
    ] {
        let token = forwarded(path, &get_with_token(&user, path, own))?;
        if token != *own {
            return Err(format!("{path}: the API got a token other than the one that was sent"));
        }
        for other in others {
            refused(path, &get_with_token(&user, path, other))?;
        }
    }
    let path = "/billing-exchange/1";
    forwarded(path, &get_with_token(&user, path, &of_session))?;
    refused(path, &get_with_token(&user, path, &orders))?;
    Ok(Done::Passed)
}

fn refused(path: &str, response: &Response) -> Result<(), String> {
    expect(path, response, 401)?;
    let challenge = response.header("www-authenticate").unwrap_or_default();
    match challenge.contains("error=\"invalid_token\"") {
        true => Ok(()),
        false => Err(format!("{path}: expected `invalid_token`, received: {challenge}")),
    }
}

/// Counts of the filter, and of Envoy's requests to the server.
#[derive(Clone, Copy)]
struct Counts {
    exchanges: u64,
    requests: u64,
}

impl Counts {
    fn now(walk: &Walk<'_>) -> Counts {
        Counts {
            exchanges: walk.filter_statistic("token_exchanges"),
            requests: statistic(walk.system, "cluster.introspection.upstream_rq_total"),
        }
    }

    /// The exchanges since then: between one and `most`, and no other request to the server than each one's introspection.
    fn since(self, walk: &Walk<'_>, most: u64) -> Result<u64, String> {
        let steps = match walk.variant.without_introspection {
            true => 1,
            false => 2,
        };
        let end = Instant::now() + COUNTED;
        loop {
            let now = Counts::now(walk);
            let (exchanges, requests) = (now.exchanges - self.exchanges, now.requests - self.requests);
            if (u64::from(most > 0)..=most).contains(&exchanges) && requests == exchanges * steps {
                return Ok(exchanges);
            }
            if Instant::now() > end {
                return Err(format!(
                    "expected at most {most} exchanges with {steps} requests to the server for each, counted {exchanges} \
                     exchanges and {requests} requests"
                ));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The server is asked once for each token, audience and process.
pub(super) fn asked_once(walk: &Walk<'_>) -> StepResult {
    if !is_about(walk) {
        return Ok(Done::NotHere);
    }
    // Each worker of the proxy-wasm module asks that has a request before another worker has stored the response.
    let most = match walk.variant.native {
        true => 1,
        false => u64::from(WORKERS),
    };
    let mut user = walk.signed_in()?;
    for (path, _) in APIS {
        let before = Counts::now(walk);
        let tokens = at_once(&user, path)?;
        let exchanges = before.since(walk, most)?;
        if tokens > exchanges {
            return Err(format!("{path}: {exchanges} exchanges, and {tokens} tokens"));
        }
    }
    let before = Counts::now(walk);
    at_every_worker(walk, &user)?;
    before.since(walk, 0)?;

    // One request after the other: the first one asks.
    for what in ["another session", "a refresh"] {
        match what {
            "a refresh" => walk.refresh(&mut user)?,
            _ => user = walk.signed_in()?,
        }
        for (path, _) in APIS {
            let before = Counts::now(walk);
            expect(path, &get(&user, path), 200)?;
            let first = before.since(walk, 1);
            first.map_err(|error| format!("{path} after {what}: {error}"))?;
        }
        let before = Counts::now(walk);
        at_every_worker(walk, &user)?;
        let later = before.since(walk, 0);
        later.map_err(|error| format!("at every worker after {what}: {error}"))?;
    }
    Ok(Done::Passed)
}

/// Sends requests at once. Returns how many different tokens the API got.
fn at_once(user: &UserAgent, path: &str) -> Result<u64, String> {
    let tokens: Result<Vec<String>, String> = std::thread::scope(|scope| {
        let send = |_| scope.spawn(|| forwarded(path, &get(user, path)));
        let threads: Vec<_> = (0..AT_ONCE).map(send).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|token| token.map_err(|_| "a request panicked".to_owned())?)
            .collect()
    });
    let mut tokens = tokens?;
    tokens.sort();
    tokens.dedup();
    Ok(u64::try_from(tokens.len()).unwrap_or(u64::MAX))
}

/// Sends requests to both APIs until each worker has accepted some of the connections.
fn at_every_worker(walk: &Walk<'_>, user: &UserAgent) -> Result<(), String> {
    let accepted = || {
        let listener = format!("listener.127.0.0.1_{}", walk.site.ports.public);
        let count = |worker| statistic(walk.system, &format!("{listener}.worker_{worker}.downstream_cx_total"));
        (0..WORKERS).map(count).collect::<Vec<u64>>()
    };
    let before = accepted();
    walk.eventually("each worker has accepted connections", || {
        for (path, _) in APIS {
            at_once(user, path)?;
        }
        Ok(accepted().iter().zip(&before).all(|(now, before)| now > before))
    })
}

/// The server knows the audience and issues no token for it, or does not know it.
pub(super) fn other_audiences(walk: &Walk<'_>) -> StepResult {
    if !is_about(walk) {
        return Ok(Done::NotHere);
    }
    let user = walk.signed_in()?;
    // After introspection, the filter knows that it is not the token that the server refuses.
    let (status, reason) = match walk.variant.without_introspection {
        true => (401, "the_authorization_server_does_not_accept_the_token"),
        false => (502, "HTTP_400_invalid_request:_check_audience"),
    };
    for (path, status, reason) in [
        ("/not-permitted/1", status, reason),
        ("/unknown/1", 502, "HTTP_400_invalid_client:_check_audience"),
    ] {
        expect(path, &get(&user, path), status)?;
        in_log(walk, path, reason)?;
    }
    Ok(Done::Passed)
}

/// Waits for a request with this reason in Envoy's access log, which Envoy writes after some seconds.
fn in_log(walk: &Walk<'_>, path: &str, reason: &str) -> Result<(), String> {
    walk.eventually(&format!("{path} is in the access log with `{reason}`"), || {
        let log = fs::read_to_string(walk.system.log(Component::Envoy)).unwrap_or_default();
        let mut lines = log.lines().filter(|line| line.contains(path));
        Ok(lines.any(|line| line.contains(reason)))
    })
}

/// The administrator ends the session. What was cached is no longer forwarded when its time has passed.
pub(super) fn end_of_the_session(walk: &Walk<'_>) -> StepResult {
    if !is_about(walk) {
        return Ok(Done::NotHere);
    }
    let user = walk.signed_in()?;
    let sid = walk.id_token_claims(&user)?["sid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for path in ["/orders/1", "/brief/1"] {
        forwarded(path, &get(&user, path))?;
    }
    if let Some(reason) = walk.server.borrow().end_sessions(walk, &[sid])? {
        return Ok(Done::NotOffered(reason));
    }
    // By the list of ended sessions, although the token is cached.
    walk.eventually("the filter refuses the cookies", || {
        Ok(get(&user, "/orders/2").status == 401)
    })?;
    std::thread::sleep(Duration::from_secs(BRIEF_SECONDS));
    let path = "/brief/after-the-end";
    expect(path, &get(&user, path), 401)?;
    let reason = match walk.variant.without_introspection {
        true => "the_authorization_server_does_not_accept_the_token",
        false => "introspection:_the_token_is_inactive",
    };
    in_log(walk, path, reason)?;
    walk.signed_in().map(|_| Done::Passed)
}
