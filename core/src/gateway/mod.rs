//! The gateway: a state machine that takes the heads of requests and decides what becomes of them. It does no I/O.
//!
//! The methods of [`Gateway`] are its events; they return the effects that the host must carry out, in order. Each
//! request gets exactly one [`Decision`], and is paused until then.

pub mod attributes;
mod bearer;
mod bounded_lru;
mod cache_key;
mod claim_to_headers;
pub mod config;
mod cookie_cache;
mod cookie_stage;
pub mod counters;
mod credential;
pub mod effect;
mod ended_sessions_poll;
pub mod error_code;
pub mod header_mutations;
pub mod introspection;
pub mod introspection_cache;
pub mod notices;
mod pending_request;
pub mod rejection;
pub mod requirement;
pub mod single_flight;
mod ticks;
pub mod token_info;
mod token_lookup;
pub mod untrusted_headers;

use zeroize::Zeroizing;

use self::attributes::{RequestAttributes, StreamId};
use self::cache_key::CacheKeys;
use self::config::{Config, PhantomToken};
use self::cookie_cache::CookieCache;
use self::counters::{Counter, Counters};
use self::credential::Credential;
use self::effect::{Command, Decision, Effect};
use self::ended_sessions_poll::EndedSessionsPoll;
use self::error_code::ErrorCode;
use self::header_mutations::HeaderMutations;
use self::introspection::{IntrospectionOutcome, IntrospectionResponse};
use self::introspection_cache::{InactiveReason, IntrospectionCache, TokenState};
use self::notices::Notices;
use self::pending_request::PendingRequest;
use self::rejection::Rejection;
use self::requirement::Requirement;
use self::single_flight::{FlightId, Landed, SingleFlight};
use self::token_info::TokenSource;
use self::token_lookup::Lookup;
use crate::request::head::RequestHead;
use crate::request::origin::OriginError;
use crate::request::values::Values;

/// A request that waits for an introspection. The client certificate is included, since the proxy cannot be asked for
/// it later.
struct Waiting {
    request: PendingRequest,
    peer_certificate: Option<[u8; 32]>,
}

/// The gateway of one worker.
pub struct Gateway {
    config: Config,
    cache_keys: Option<CacheKeys>,
    cookies: CookieCache,
    cache: IntrospectionCache,
    flights: SingleFlight<Waiting>,
    counters: Counters,
    notices: Notices,
    ended: EndedSessionsPoll,
}

impl Gateway {
    /// Creates a gateway with empty caches.
    pub fn new(config: Config) -> Self {
        let stage = config.phantom_token.as_ref();
        let (entries, bytes) = stage.map_or((10_000, 32 * 1024 * 1024), |stage| {
            (stage.cache_entries, stage.cache_bytes)
        });
        Self {
            cache_keys: stage.map(CacheKeys::new),
            // Two cookies of a session are opened: access token and CSRF.
            cookies: CookieCache::new(entries.saturating_mul(2), bytes),
            cache: IntrospectionCache::new(entries, bytes),
            config,
            flights: SingleFlight::new(),
            counters: Counters::default(),
            notices: Notices::default(),
            ended: EndedSessionsPoll::new(),
        }
    }

    /// Handles the head of a request at the time `now`, in seconds since 1970. Unless the effect is a decision, the
    /// request is paused.
    pub fn on_request(
        &mut self,
        stream: StreamId,
        head: &RequestHead,
        attributes: &dyn RequestAttributes,
        now: u64,
    ) -> Option<Effect> {
        let credential = credential::of_request(&self.config, &mut self.cookies, head, self.ended.list(), now);
        let effect = match credential {
            Ok((credential, mutations)) => self.authenticated(stream, credential, mutations, head, attributes, now)?,
            Err(rejection) => {
                if let Some(key) = self.cookies.take_unknown_key() {
                    self.counters.add(Counter::CookieOfUnknownKey);
                    self.notices.unknown_key(key);
                }
                if rejection.details == OriginError::Untrusted.details() {
                    self.counters.add(Counter::UntrustedOrigin);
                    self.notices.untrusted_origin(match head.one("origin") {
                        Values::Single(origin) => origin,
                        Values::Absent | Values::Repeated => b"several",
                    });
                }
                reject(stream, rejection)
            }
        };
        if let Effect::Decide { decision, .. } = &effect {
            count(&mut self.counters, decision);
        }
        Some(effect)
    }

    /// Handles a request with a credential. `None`: it joins the introspection of another request.
    fn authenticated(
        &mut self,
        stream: StreamId,
        credential: Credential,
        mutations: HeaderMutations,
        head: &RequestHead,
        attributes: &dyn RequestAttributes,
        now: u64,
    ) -> Option<Effect> {
        let stage = self.config.phantom_token.as_ref();
        let route = match route_requirement(stage, attributes) {
            Ok(route) => route,
            Err(rejection) => return Some(reject(stream, rejection)),
        };
        let source = match &credential {
            Credential::Cookie(found) => {
                self.counters.add(Counter::CookieOpened(found.cookie.content.key_id));
                TokenSource::Cookie
            }
            Credential::Bearer(_) => TokenSource::Bearer {
                must_be_bound: stage.is_some_and(|stage| stage.require_certificate_binding),
            },
        };
        let request = PendingRequest {
            mutations,
            source,
            route,
        };
        let decide = |decision| Some(Effect::Decide { stream, decision });
        let token = match &credential {
            Credential::Cookie(found) => {
                if let Some(info) = &found.token {
                    self.counters.add(Counter::CacheHit);
                    return decide(request.with_active_token(stage, info, || attributes.peer_certificate()));
                }
                &found.cookie.content.value
            }
            Credential::Bearer(token) => token,
        };
        let introspection = stage.zip(self.cache_keys.as_ref());
        match token_lookup::look_up(introspection, &mut self.cache, &mut self.counters, token, now) {
            Lookup::Active(info, until) => {
                if let Credential::Cookie(found) = &credential {
                    self.cookies.put_token(found, &info, until);
                }
                decide(request.with_active_token(stage, &info, || attributes.peer_certificate()))
            }
            Lookup::Invalid(details) => decide(request.with_invalid_token(details)),
            Lookup::Inactive(reason) => {
                count_inactive(&mut self.counters, &mut self.notices, source);
                decide(request.with_invalid_token(reason.details()))
            }
            Lookup::Miss(stage, key) => {
                let introspection = introspection::request(stage, token, Some(head));
                let peer_certificate = match source {
                    TokenSource::Cookie => None,
                    TokenSource::Bearer { .. } => attributes.peer_certificate(),
                };
                let waiting = Waiting {
                    request,
                    peer_certificate,
                };
                let Some(flight) = self.flights.join(key, Zeroizing::clone(token), stream, waiting) else {
                    self.counters.add(Counter::Joined);
                    return None;
                };
                Some(Effect::Run(Command::Introspect {
                    stream: Some(stream),
                    flight,
                    request: introspection,
                }))
            }
        }
    }

    /// Handles the response of the authorization server, or the failure of the callout, at the time `now`, in seconds
    /// since 1970.
    pub fn on_introspection(&mut self, flight: FlightId, response: &IntrospectionResponse, now: u64) -> Vec<Effect> {
        let Some(Landed { token, waiters }) = self.flights.land(flight) else {
            return Vec::new();
        };
        let Some(stage) = &self.config.phantom_token else {
            return Vec::new();
        };
        let outcome = introspection::classify(stage, &token, response, now);
        match &outcome {
            IntrospectionOutcome::Introspected {
                state: TokenState::Inactive(InactiveReason::ExpiredHere { seconds }),
                ..
            } => {
                self.counters.add(Counter::ClocksDiffer);
                self.notices.clocks_differ(*seconds);
            }
            // An active token has not expired, so only the response's `Cache-Control` can forbid to cache it.
            IntrospectionOutcome::Introspected {
                state: TokenState::Active(_),
                expires_at,
            } if *expires_at <= now && stage.cache_seconds > 0 => self.notices.not_cached(),
            IntrospectionOutcome::Introspected { .. } => {}
            IntrospectionOutcome::Unusable(_) | IntrospectionOutcome::TimedOut => {
                self.counters.add(Counter::IntrospectionFailed);
            }
        }
        let mut effects = Vec::with_capacity(waiters.len());
        for (stream, waiting) in waiters {
            let decision = match &outcome {
                IntrospectionOutcome::Introspected { state, .. } => match state {
                    TokenState::Active(info) => {
                        let certificate = || waiting.peer_certificate;
                        waiting.request.with_active_token(Some(stage), info, certificate)
                    }
                    TokenState::Inactive(reason) => {
                        count_inactive(&mut self.counters, &mut self.notices, waiting.request.source);
                        waiting.request.with_invalid_token(reason.details())
                    }
                },
                IntrospectionOutcome::Unusable(details) => {
                    Decision::Reject(Rejection::new(ErrorCode::AuthorizationServerError, details))
                }
                IntrospectionOutcome::TimedOut => Decision::Reject(Rejection::new(
                    ErrorCode::AuthorizationServerTimeout,
                    "introspection timed out: no response within timeout_ms, or HTTP 504",
                )),
            };
            count(&mut self.counters, &decision);
            effects.push(Effect::Decide { stream, decision });
        }
        if let IntrospectionOutcome::Introspected { state, expires_at } = outcome {
            self.cache.put(flight.key, state, expires_at, now);
        }
        effects
    }

    /// Handles the response to a request whose route had this requirement. Envoy selects the route again if headers
    /// have changed, but until the response it shows the metadata of the previous route; now it shows those of the
    /// route that served the request. `Some`: that route has another requirement, and the rejection must replace the
    /// response.
    pub fn on_response(&mut self, required: &Requirement, attributes: &dyn RequestAttributes) -> Option<Rejection> {
        let served = route_requirement(self.config.phantom_token.as_ref(), attributes);
        if matches!(&served, Ok(Some(served)) if served == required) {
            return None;
        }
        let rejection = Rejection::new(
            ErrorCode::ServerError,
            "the route that served has other requirements than the route that was checked",
        );
        self.counters.add(Counter::Rejected(rejection.code));
        Some(rejection)
    }

    /// Handles the end of a request: it was answered, its response has ended, or its client has left. `Some`: the
    /// introspection that this other request waits for was lost. Call [`Gateway::take_over`] for it, or
    /// [`Gateway::repeat_lost`], as soon as possible.
    pub fn on_stream_end(&mut self, stream: StreamId) -> Option<StreamId> {
        self.flights.leave(stream)
    }

    /// Repeats the introspection that this request waits for, on its behalf, if it was lost with another request.
    pub fn take_over(&mut self, stream: StreamId) -> Option<Effect> {
        let stage = self.config.phantom_token.as_ref()?;
        let (flight, token) = self.flights.take_over(stream)?;
        Some(Effect::Run(Command::Introspect {
            stream: Some(stream),
            flight,
            request: introspection::request(stage, token, None),
        }))
    }

    /// Repeats the introspections that were lost with their requests, on behalf of no request.
    pub fn repeat_lost(&mut self) -> Vec<Effect> {
        let Some(stage) = &self.config.phantom_token else {
            return Vec::new();
        };
        let lost = self.flights.lost().map(|(flight, token)| {
            Effect::Run(Command::Introspect {
                stream: None,
                flight,
                request: introspection::request(stage, token, None),
            })
        });
        lost.collect()
    }

    /// Returns the totals since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns the number of introspection responses in the cache.
    pub fn cached_responses(&self) -> usize {
        self.cache.len()
    }

    /// Returns the number of opened cookies in the cache.
    pub fn cached_cookies(&self) -> usize {
        self.cookies.len()
    }

    /// Returns the number of introspections in progress.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }
}

/// Returns what the route requires in addition to the entry point; `None` if `route_metadata` is not configured.
fn route_requirement(
    stage: Option<&PhantomToken>,
    attributes: &dyn RequestAttributes,
) -> Result<Option<Requirement>, Rejection> {
    let namespace = stage.and_then(|stage| stage.route_metadata.as_deref());
    namespace
        .map(|namespace| Requirement::of_route(namespace, attributes))
        .transpose()
}

fn reject(stream: StreamId, rejection: Rejection) -> Effect {
    Effect::Decide {
        stream,
        decision: Decision::Reject(rejection),
    }
}

fn count(counters: &mut Counters, decision: &Decision) {
    counters.add(match decision {
        Decision::Forward(_) => Counter::Forwarded,
        Decision::Reject(rejection) => Counter::Rejected(rejection.code),
    });
}

/// Counts an inactive token only if it is from a cookie of the service: that suggests that the client may not
/// introspect it.
fn count_inactive(counters: &mut Counters, notices: &mut Notices, source: TokenSource) {
    match source {
        TokenSource::Cookie => {
            counters.add(Counter::SessionTokenInactive);
            notices.session_token_inactive();
        }
        TokenSource::Bearer { .. } => {}
    }
}
