//! The gateway: a state machine that takes the heads of requests and decides what becomes of them. It does no I/O.
//!
//! Events are methods of [`Gateway`], which return the effects that the host must carry out, in order. No request gets
//! more than one [`Decision`]. A request that is not decided at once is paused until then.

pub mod attributes;
pub mod authentication;
pub mod authorization_server;
mod bearer;
mod bounded_lru;
pub mod cache_key;
mod cache_lifetime;
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
pub mod newest_tokens;
pub mod notices;
mod open_streams;
mod pending_request;
pub mod rejection;
pub mod requirement;
pub mod shared_cache;
mod shared_newest_tokens;
pub mod single_flight;
mod stream_ends;
mod ticks;
mod token_cache;
mod token_codec;
pub mod token_exchange;
pub mod token_info;
mod token_lookup;
pub mod token_memory;
pub mod token_state;
pub mod untrusted_headers;
mod waiting;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use self::attributes::{RequestAttributes, StreamId};
use self::config::{Config, PhantomToken};
use self::cookie_cache::CookieCache;
use self::counters::{Counter, Counters};
use self::credential::Credential;
use self::effect::{Decision, Effect, Forward};
use self::ended_sessions_poll::EndedSessionsPoll;
use self::error_code::ErrorCode;
use self::header_mutations::HeaderMutations;
use self::notices::Notices;
use self::open_streams::{OpenStream, OpenStreams};
use self::pending_request::{PendingRequest, Waiting};
use self::rejection::Rejection;
use self::requirement::Requirement;
use self::shared_cache::SharedCache;
use self::shared_newest_tokens::SharedNewestTokens;
use self::token_cache::TokenCache;
use self::token_info::TokenSource;
use self::token_lookup::Lookup;
use self::token_memory::TokenMemory;
use self::token_state::InactiveReason;
use crate::cookie::seal::Sealer;
use crate::request::head::RequestHead;
use crate::request::origin::OriginError;
use crate::request::trace_context;
use crate::request::values::Values;

/// The gateway of one worker.
pub struct Gateway {
    config: Config,
    cookies: CookieCache,
    /// `None` without a token stage.
    cache: Option<TokenCache>,
    waiting: HashMap<StreamId, Waiting>,
    counters: Counters,
    notices: Notices,
    ended: EndedSessionsPoll,
    streams: OpenStreams,
}

impl Gateway {
    /// Creates a gateway with empty caches, which shares nothing.
    pub fn new(config: Config) -> Self {
        Self::create(config, TokenMemory::of_stage, |_| None, |_| None)
    }

    /// Creates a gateway with empty caches of its own, over a memory that other gateways of the same stage may share.
    pub fn with_memory(config: Config, memory: impl FnOnce(&PhantomToken) -> Arc<TokenMemory>) -> Self {
        Self::create(config, memory, |_| None, |_| None)
    }

    /// Creates a gateway with empty caches, and with a shared cache behind them unless `shared_cache_bytes` is too
    /// small, for a host with shared data. See [`Gateway::shared_slots`].
    pub fn with_shared_cache(config: Config) -> Self {
        Self::create(config, TokenMemory::of_stage, SharedCache::new, SharedNewestTokens::new)
    }

    fn create(
        config: Config,
        memory: impl FnOnce(&PhantomToken) -> Arc<TokenMemory>,
        shared: impl FnOnce(&PhantomToken) -> Option<SharedCache>,
        newest: impl FnOnce(&Sealer) -> Option<SharedNewestTokens>,
    ) -> Self {
        let stage = config.phantom_token.as_ref();
        let (entries, bytes) = stage.map_or((10_000, 32 * 1024 * 1024), |stage| {
            (stage.cache_entries, stage.cache_bytes)
        });
        let cookie_stage = config.bff_token.as_ref();
        Self {
            streams: OpenStreams::new(config.end_streams, cookie_stage.and_then(|stage| newest(&stage.sealer))),
            // Up to three cookies of a session are opened: access token, CSRF and device binding.
            cookies: CookieCache::new(entries.saturating_mul(3), bytes),
            cache: stage.map(|stage| TokenCache::new(stage, memory(stage), shared(stage))),
            config,
            waiting: HashMap::new(),
            counters: Counters::default(),
            notices: Notices::default(),
            ended: EndedSessionsPoll::new(),
        }
    }

    /// Replaces the secrets: the configuration differs in nothing else. For later requests, no cookie that was opened
    /// with a removed key counts. Callouts in progress are still those of the previous client secret.
    pub fn replace_secrets(&mut self, config: Config, memory: impl FnOnce(&PhantomToken) -> Arc<TokenMemory>) {
        let id = |config: &Config| config.phantom_token.as_ref().map(PhantomToken::id);
        let is_same_stage = id(&self.config) == id(&config);
        let next = Self::with_memory(config, memory);
        self.config = next.config;
        self.cookies = next.cookies;
        if !is_same_stage {
            self.cache = next.cache;
        }
    }

    /// Handles the head of a request at the time `now`, in seconds since 1970. `None`: the request waits for a flight.
    /// Pause it, and call [`Gateway::call_out`] as soon as it can be woken.
    pub fn on_request(
        &mut self,
        stream: StreamId,
        head: &RequestHead,
        attributes: &dyn RequestAttributes,
        now: u64,
    ) -> Option<Effect> {
        let credential = credential::of_request(&self.config, &mut self.cookies, head, self.ended.list(), now);
        // Taken even if the request is forwarded: the key is not that of a later request.
        let unknown_key = self.cookies.take_unknown_key();
        let effect = match credential {
            Ok((credential, mutations)) => self.authenticated(stream, credential, mutations, head, attributes, now)?,
            Err(rejection) => {
                if let Some(key) = unknown_key {
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
                if rejection.code == ErrorCode::DeviceBindingRequired {
                    let skipped = head.all("secure-session-skipped").next();
                    self.counters.add(match skipped {
                        Some(_) => Counter::DeviceBindingSkipped,
                        None => Counter::DeviceBindingMissing,
                    });
                }
                reject(stream, rejection)
            }
        };
        if let Effect::Decide { decision, .. } = &effect {
            self.decided(stream, decision);
        }
        Some(effect)
    }

    /// Handles a request with a credential. `None`: it waits for a flight.
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
        let open = match &credential {
            Credential::Cookie(found) => self.streams.of_cookie(&found.cookie),
            Credential::Bearer(_) => self.streams.of_bearer(),
        };
        let request = PendingRequest {
            mutations,
            source,
            route,
            open,
        };
        let streams = &self.streams;
        let decide = |decision| Some(Effect::Decide { stream, decision });
        let token = match &credential {
            Credential::Cookie(found) => {
                if let Some(info) = &found.token {
                    self.counters.add(Counter::CacheHit);
                    return decide(
                        request.with_active_token(stage, streams, info, now, || attributes.peer_certificate()),
                    );
                }
                &found.cookie.content.value
            }
            Credential::Bearer(token) => token,
        };
        let introspection = stage.zip(self.cache.as_mut());
        match token_lookup::look_up(introspection, &mut self.counters, token, now) {
            Lookup::Active(info, until) => {
                if let Credential::Cookie(found) = &credential {
                    self.cookies.put_token(found, &info, until);
                }
                decide(request.with_active_token(stage, streams, &info, now, || attributes.peer_certificate()))
            }
            Lookup::Invalid(details) => decide(request.with_invalid_token(details)),
            Lookup::Inactive(reason) => {
                count_inactive(&mut self.counters, &mut self.notices, source, reason);
                decide(request.with_inactive_token(reason))
            }
            Lookup::Miss(key, memory) => {
                let waiting = Waiting {
                    request,
                    peer_certificate: match source {
                        TokenSource::Cookie => None,
                        TokenSource::Bearer { .. } => attributes.peer_certificate(),
                    },
                    session: match &credential {
                        Credential::Cookie(found) => found.cookie.session(),
                        Credential::Bearer(_) => None,
                    },
                    trace: trace_context::headers(head).collect(),
                    token: Zeroizing::clone(token),
                    key,
                    memory,
                    deadline: Duration::MAX,
                };
                self.waiting.insert(stream, waiting);
                None
            }
        }
    }

    /// Counts a decision, and remembers the stream of a request that is forwarded and may be ended.
    fn decided(&mut self, stream: StreamId, decision: &Decision) {
        self.counters.add(match decision {
            Decision::Forward(_) => Counter::Forwarded,
            Decision::Reject(rejection) => Counter::Rejected(rejection.code),
        });
        if let Decision::Forward(Forward { open: Some(open), .. }) = decision {
            self.streams.open(stream, OpenStream::clone(open));
        }
    }

    /// Handles the response to a request whose route had this requirement. Envoy selects the route again if headers
    /// have changed, but until the response it shows the metadata of the previous route. Now it shows that of the route
    /// that served the request. `Some`: that route has another requirement or no valid one, and the rejection must
    /// replace the response.
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

    /// Returns the totals since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns the number of cached responses about tokens that this gateway knows.
    pub fn cached_responses(&self) -> usize {
        let active = self.memory().map_or(0, |memory| memory.active_responses());
        active.saturating_add(self.cached_inactive())
    }

    /// Returns the number of flights in progress, in its memory.
    pub fn in_flight(&self) -> usize {
        self.memory().map_or(0, |memory| memory.in_flight())
    }

    /// Returns the number of cached responses about inactive tokens, which are in no [`TokenMemory`].
    pub fn cached_inactive(&self) -> usize {
        self.cache.as_ref().map_or(0, TokenCache::inactive)
    }

    /// Returns the memory of the token stage, if there is one.
    pub fn memory(&self) -> Option<&Arc<TokenMemory>> {
        self.cache.as_ref().map(|cache| &cache.memory)
    }

    /// Returns the number of opened cookies in the cache.
    pub fn cached_cookies(&self) -> usize {
        self.cookies.len()
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

/// Counts an inactive token only if it is from a cookie of the service and is invalid: that suggests that the gateway's
/// client may not introspect or exchange it.
fn count_inactive(counters: &mut Counters, notices: &mut Notices, source: TokenSource, reason: InactiveReason) {
    if source == TokenSource::Cookie && reason.is_invalid() {
        counters.add(Counter::SessionTokenInactive);
        notices.session_token_inactive();
    }
}
