//! The gate: a request's head goes in, what to do with the request comes out. A state machine without a host.
//!
//! Events are the methods; each returns the effects to carry out, in order. A request ends by exactly one effect that names
//! it, [`Effect::Forward`] or [`Effect::Reply`]; until then it is paused.

mod bounded_lru;
mod cache_key;
pub mod config;
mod cookie_cache;
pub mod cookie_stage;
pub mod counters;
mod ended_sessions_poll;
pub mod introspection;
pub mod introspection_cache;
mod introspection_error;
pub mod notices;
mod pending_request;
mod single_flight;
pub mod token_info;

use std::rc::Rc;

use zeroize::Zeroizing;

use crate::error_code::Refusal;
use crate::gateway::cache_key::StageHash;
use crate::gateway::config::{Config, PhantomToken};
use crate::gateway::cookie_cache::OpenedCookies;
use crate::gateway::cookie_stage::{Admission, Credential, Edits, Refused};
use crate::gateway::counters::{Count, Counts};
use crate::gateway::ended_sessions_poll::EndedCopy;
use crate::gateway::introspection::{Answer, Outcome, Request};
use crate::gateway::introspection_cache::{Cache, Inactive, Key, Verdict};
use crate::gateway::notices::{Notice, Notices};
use crate::gateway::pending_request::Visitor;
use crate::gateway::single_flight::{Flights, Landed};
use crate::gateway::token_info::{Carrier, Grant, Requirement};
use crate::jwt;
use crate::request::head::Head;

pub use crate::gateway::single_flight::FlightId;

/// A request, by the proxy's number for it.
pub type StreamId = u32;

/// What to do.
pub enum Effect {
    /// Let the request go upstream, its head changed like this.
    Forward {
        /// The request.
        stream: StreamId,
        /// The changes.
        edits: Edits,
        /// What matters when the response comes.
        on_response: OnResponse,
    },
    /// Answer the request.
    Reply {
        /// The request.
        stream: StreamId,
        /// What with.
        refused: Refused,
    },
    /// Ask the authorization server, and give the answer to [`Gate::answer`].
    Introspect {
        /// On this request's behalf; `None`: on nobody's.
        stream: Option<StreamId>,
        /// What the answer is for.
        flight: FlightId,
        /// The request to make.
        request: Request,
    },
    /// Read the list of ended sessions, and give the answer to [`Gate::ended_sessions`].
    ReadEndedSessions {
        /// The Envoy cluster.
        cluster: String,
        /// Path and query. The list that is known already is named in the query, and not sent again.
        path: String,
    },
    /// Tell the operator: a warning in the log.
    Warn(Notice),
    /// Call [`Gate::tick`] as soon as this call is over.
    TickSoon,
}

/// What matters when the response to a request comes that was let go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnResponse {
    /// A cookie let the request in: unless the API says so, no shared cache may keep the response (RFC 9111, section 3.5).
    pub by_cookie: bool,
    /// What the route's metadata required, where routes are asked: [`Gate::response`] compares.
    pub route: Option<Requirement>,
}

/// What the proxy knows of a request besides its head. Each is asked for only where it matters.
pub trait Surroundings {
    /// SHA-256 of the certificate (DER) that the client showed on this connection.
    fn peer_certificate(&self) -> Option<[u8; 32]>;
    /// What the route's metadata say under a namespace and a name: the bytes of a text, or whatever bytes the proxy has for
    /// something else.
    fn route_metadata(&self, namespace: &str, name: &str) -> Option<Vec<u8>>;
}

/// A visitor that waits, and what its connection is known by: nobody can be asked about that later.
struct Waiter {
    visitor: Visitor,
    peer_certificate: Option<[u8; 32]>,
}

/// The state of one worker.
pub struct Gate {
    config: Config,
    stage_hash: Option<StageHash>,
    cookies: OpenedCookies,
    cache: Cache,
    flights: Flights<Waiter>,
    counts: Counts,
    notices: Notices,
    ended: EndedCopy,
}

impl Gate {
    /// A gate that knows nothing yet.
    pub fn new(config: Config) -> Self {
        let stage = config.phantom_token.as_ref();
        let (entries, bytes) = stage.map_or((10_000, 32 * 1024 * 1024), |stage| {
            (stage.cache_entries, stage.cache_bytes)
        });
        Self {
            stage_hash: stage.map(StageHash::new),
            // A session has two cookies that are opened.
            cookies: OpenedCookies::new(entries.saturating_mul(2), bytes),
            cache: Cache::new(entries, bytes),
            config,
            flights: Flights::new(),
            counts: Counts::default(),
            notices: Notices::default(),
            ended: EndedCopy::new(),
        }
    }

    /// A request's head has come. Without an effect that ends it, it is to be paused.
    pub fn request(&mut self, stream: StreamId, head: &Head, around: &dyn Surroundings, now: u64) -> Option<Effect> {
        let admitted = cookie_stage::admit(&self.config, &mut self.cookies, head, self.ended.list(), now);
        let effect = match admitted {
            Err(refused) => {
                if let Some(key) = self.cookies.take_unknown_key() {
                    self.counts.add(Count::CookieOfUnknownKey);
                    self.notices.unknown_key(key);
                }
                Some(Effect::Reply { stream, refused })
            }
            Ok(admission) => self.admitted(stream, admission, head, around, now),
        };
        if let Some(effect) = &effect {
            self.count(effect);
        }
        effect
    }

    fn admitted(
        &mut self,
        stream: StreamId,
        admission: Admission,
        head: &Head,
        around: &dyn Surroundings,
        now: u64,
    ) -> Option<Effect> {
        let Admission { credential, edits } = admission;
        let stage = self.config.phantom_token.as_ref();
        let route = match requirement_of_route(stage, around) {
            Ok(route) => route,
            Err(refused) => return Some(Effect::Reply { stream, refused }),
        };
        let carrier = match &credential {
            Credential::Cookie(found) => {
                self.counts.add(Count::CookieOpened(found.cookie.content.key_id));
                Carrier::Cookie
            }
            Credential::Bearer(_) => Carrier::Bearer {
                must_be_bound: stage.is_some_and(|stage| stage.require_certificate_binding),
            },
        };
        let visitor = Visitor {
            stream,
            edits,
            carrier,
            route,
        };
        let token = match &credential {
            Credential::Cookie(found) => {
                if let Some(grant) = &found.grant {
                    self.counts.add(Count::CacheHit);
                    return Some(visitor.end(stage, grant, || around.peer_certificate()));
                }
                &found.cookie.content.value
            }
            Credential::Bearer(token) => token,
        };
        let introspection = stage.zip(self.stage_hash.as_ref());
        match known(introspection, &mut self.cache, &mut self.counts, token, now) {
            Known::Good(grant, until) => {
                if let Credential::Cookie(found) = &credential {
                    self.cookies.learn(found, &grant, until);
                }
                Some(visitor.end(stage, &grant, || around.peer_certificate()))
            }
            Known::Worthless(why) => Some(visitor.refuse_token(why)),
            Known::Inactive(why) => {
                if carrier == Carrier::Cookie {
                    session_token_inactive(&mut self.counts, &mut self.notices);
                }
                Some(visitor.refuse_token(why.why()))
            }
            Known::Nothing(stage, key) => {
                let request = introspection::request(stage, token, Some(head));
                let peer_certificate = match carrier {
                    Carrier::Cookie => None,
                    Carrier::Bearer { .. } => around.peer_certificate(),
                };
                let waiter = Waiter {
                    visitor,
                    peer_certificate,
                };
                let Some(flight) = self.flights.join(key, Zeroizing::clone(token), stream, waiter) else {
                    self.counts.add(Count::Joined);
                    return None;
                };
                Some(Effect::Introspect {
                    stream: Some(stream),
                    flight,
                    request,
                })
            }
        }
    }

    /// The authorization server has answered, or the callout could not be made.
    pub fn answer(&mut self, flight: FlightId, answer: &Answer, now: u64) -> Vec<Effect> {
        let Some(Landed { token, waiters }) = self.flights.land(flight) else {
            return Vec::new();
        };
        let Some(stage) = &self.config.phantom_token else {
            return Vec::new();
        };
        let outcome = introspection::classify(stage, &token, answer, now);
        match &outcome {
            Outcome::Known {
                verdict: Verdict::Inactive(Inactive::ExpiredHere { seconds }),
                ..
            } => {
                self.counts.add(Count::ClocksDiffer);
                self.notices.clocks_differ(*seconds);
            }
            Outcome::Known { .. } => {}
            Outcome::Unusable(_) | Outcome::TimedOut => self.counts.add(Count::IntrospectionFailed),
        }
        let ends = waiters.into_iter().map(|(_, waiter)| match &outcome {
            Outcome::Known { verdict, .. } => match verdict {
                Verdict::Active(grant) => waiter.visitor.end(Some(stage), grant, || waiter.peer_certificate),
                Verdict::Inactive(why) => {
                    if waiter.visitor.carrier == Carrier::Cookie {
                        session_token_inactive(&mut self.counts, &mut self.notices);
                    }
                    waiter.visitor.refuse_token(why.why())
                }
            },
            Outcome::Unusable(why) => waiter
                .visitor
                .refuse(Refused::new(Refusal::AuthorizationServerError, why)),
            Outcome::TimedOut => waiter.visitor.refuse(Refused::new(
                Refusal::AuthorizationServerTimeout,
                "introspection timed out: no answer within timeout_ms, or HTTP 504",
            )),
        });
        let effects: Vec<Effect> = ends.collect();
        if let Outcome::Known { verdict, expires_at } = outcome {
            self.cache.put(flight.key, verdict, expires_at, now);
        }
        for effect in &effects {
            self.count(effect);
        }
        effects
    }

    /// The response to a request has come for which this was required by its route. Envoy selects the route again when
    /// headers were changed, and until then it says what the one from before requires: what it says now is the route that
    /// served. `Some`: that one requires something else, and the response must not go out.
    pub fn response(&mut self, required: &Requirement, around: &dyn Surroundings) -> Option<Refused> {
        let stage = self.config.phantom_token.as_ref();
        let served = requirement_of_route(stage, around);
        if matches!(&served, Ok(Some(served)) if served == required) {
            return None;
        }
        let refused = Refused::new(
            Refusal::ServerError,
            "another route served than the one whose metadata were asked",
        );
        self.counts.add(Count::Refused(refused.refusal.status()));
        Some(refused)
    }

    /// A request is over: answered, forwarded and done, or its client has left.
    pub fn gone(&mut self, stream: StreamId) -> Vec<Effect> {
        match self.flights.leave(stream) {
            true => vec![Effect::TickSoon],
            false => Vec::new(),
        }
    }

    /// Time has passed: the list of ended sessions may be due, an operator may have to be told something, and callouts that
    /// were lost with their requests are made again.
    pub fn tick(&mut self, now: u64) -> Vec<Effect> {
        let mut effects = Vec::from_iter(self.read_ended_sessions(now));
        effects.extend(self.due_notices(now).into_iter().map(Effect::Warn));
        let Some(stage) = &self.config.phantom_token else {
            return effects;
        };
        effects.extend(self.flights.lost().map(|(flight, token)| Effect::Introspect {
            stream: None,
            flight,
            request: introspection::request(stage, token, None),
        }));
        effects
    }

    fn due_notices(&mut self, now: u64) -> Vec<Notice> {
        let keys = self.config.bff_token.iter().flat_map(|stage| stage.sealer.key_ids());
        let client_id = self.config.phantom_token.as_ref().map_or("", |stage| &stage.client_id);
        self.notices.due(now, keys, client_id, self.counts.cookies_opened())
    }

    fn read_ended_sessions(&mut self, now: u64) -> Option<Effect> {
        let source = self.config.bff_token.as_ref()?.ended_sessions.as_ref()?;
        let path = self.ended.due(source, now)?;
        Some(Effect::ReadEndedSessions {
            cluster: source.cluster.clone(),
            path,
        })
    }

    /// The list of ended sessions has come; `body` is `None` where it could not be read. 204: it is the one that is
    /// known already.
    pub fn ended_sessions(&mut self, status: u16, body: Option<&[u8]>) {
        self.counts.add(match self.ended.take_up(status, body) {
            true => Count::EndedSessionsRead,
            false => Count::EndedSessionsFailed,
        });
    }

    /// How many entries the list of ended sessions has.
    pub fn known_ended_sessions(&self) -> usize {
        self.ended.list().len()
    }

    /// What was counted since the gate began.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many answers are kept.
    pub fn cached(&self) -> usize {
        self.cache.len()
    }

    /// How many cookies are kept opened.
    pub fn opened_cookies(&self) -> usize {
        self.cookies.len()
    }

    /// How many introspections are under way.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    fn count(&mut self, effect: &Effect) {
        match effect {
            Effect::Forward { .. } => self.counts.add(Count::Forwarded),
            Effect::Reply { refused, .. } => self.counts.add(Count::Refused(refused.refusal.status())),
            _ => {}
        }
    }
}

fn session_token_inactive(counts: &mut Counts, notices: &mut Notices) {
    counts.add(Count::SessionTokenInactive);
    notices.session_token_inactive();
}

/// What the route requires besides the entry point, where routes are asked.
fn requirement_of_route(
    stage: Option<&PhantomToken>,
    around: &dyn Surroundings,
) -> Result<Option<Requirement>, Refused> {
    let Some(namespace) = stage.and_then(|stage| stage.route_metadata.as_ref()) else {
        return Ok(None);
    };
    let say = |name: &str| around.route_metadata(namespace, name);
    let (scopes, audience) = (say("required_scopes"), say("required_audience"));
    match Requirement::of_route(scopes.as_deref(), audience.as_deref()) {
        Some(requirement) => Ok(Some(requirement)),
        None => Err(Refused::new(
            Refusal::ServerError,
            "the route's metadata say no requirement",
        )),
    }
}

/// What is known of a token before anybody is asked.
enum Known<'a> {
    /// What it is worth, and until when, in seconds since 1970.
    Good(Rc<Grant>, u64),
    Worthless(&'static str),
    /// Worth nothing, as the authorization server has said.
    Inactive(Inactive),
    /// Nothing: the authorization server of this stage has to be asked.
    Nothing(&'a PhantomToken, Key),
}

/// What is known of a token, counted as a hit or a miss where the cache is asked. Without a stage every token is forwarded
/// as it is.
fn known<'a>(
    introspection: Option<(&'a PhantomToken, &StageHash)>,
    cache: &mut Cache,
    counts: &mut Counts,
    token: &[u8],
    now: u64,
) -> Known<'a> {
    let Some((stage, hash)) = introspection else {
        return Known::Good(Rc::new(Grant::bearer(token)), u64::MAX);
    };
    if !stage.introspect_jwts
        && let Some(read) = introspection::self_contained(token, now)
    {
        return match read {
            Ok((grant, until)) => Known::Good(Rc::new(grant), until),
            Err(why) => Known::Worthless(why),
        };
    }
    let key = hash.key(token);
    let cached = cache.get(&key, now);
    counts.add(match cached {
        Some(_) => Count::CacheHit,
        None => Count::CacheMiss,
    });
    match cached {
        Some((Verdict::Active(grant), until)) => Known::Good(grant, until),
        Some((Verdict::Inactive(why), _)) => Known::Inactive(why),
        None if jwt::is_unsecured(token) => {
            Known::Worthless("the token is a JWT with alg none, which anybody can make")
        }
        None => Known::Nothing(stage, key),
    }
}
