//! The gate: a request's head goes in, what to do with the request comes out. A state machine without a host.
//!
//! Events are the methods; each returns the effects to carry out, in order. A request ends by exactly one effect that names
//! it, [`Effect::Forward`] or [`Effect::Reply`]; until then it is paused.
//!
//! Concurrent requests with one token share one introspection, a *flight*. In a proxy a callout belongs to the request
//! that made it and ends with it. So when the one that made it goes, the flight has lost its callout, and the next tick
//! makes it again on nobody's behalf.

use std::collections::HashMap;
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::admission::{self, Admission, Edits, Refused};
use crate::cache::{Cache, Key, Verdict};
use crate::config::Config;
use crate::ended::EndedSessions;
use crate::head::Head;
use crate::introspect::{self, Answer, Outcome, Request};
use crate::jwt;
use crate::keys::KeyId;
use crate::reply::Refusal;

/// The longest list of ended sessions that is kept.
pub const MAX_ENDED_SESSIONS: usize = 10_000;

/// A request, by the proxy's number for it.
pub type StreamId = u32;

/// A flight: what it is about, and a number that is not used again, so that a late answer meets no later flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlightId {
    key: Key,
    number: u64,
}

/// What to do.
pub enum Effect {
    /// Let the request go upstream, its head changed like this.
    Forward {
        /// The request.
        stream: StreamId,
        /// The changes.
        edits: Edits,
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
    /// Call [`Gate::tick`] as soon as this call is over.
    TickSoon,
    /// Something to count.
    Count(Count),
}

/// Something to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A cookie was opened by this key.
    CookieOpened(KeyId),
    /// The cache knew the token.
    CacheHit,
    /// It did not.
    CacheMiss,
    /// A request joined the introspection of another.
    Joined,
    /// An introspection gave no usable answer.
    IntrospectionFailed,
    /// The list of ended sessions was read, or had not changed.
    EndedSessionsRead,
    /// It could not be read; the one from before stays in use.
    EndedSessionsFailed,
}

/// A request that waits for a flight.
struct Waiter {
    stream: StreamId,
    edits: Edits,
    bearer: bool,
}

struct Flight {
    number: u64,
    token: Zeroizing<Vec<u8>>,
    callout: Callout,
    waiters: Vec<Waiter>,
}

/// On whose behalf a flight's callout was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Callout {
    Of(StreamId),
    Nobodys,
    /// Its request is gone, and the callout with it.
    Lost,
}

/// The state of one worker.
pub struct Gate {
    config: Config,
    cache: Cache,
    flights: HashMap<Key, Flight>,
    /// Which flight a request waits for.
    waiting: HashMap<StreamId, Key>,
    last_flight: u64,
    ended: EndedSessions,
    ended_version: String,
    /// When the list of ended sessions is to be read again, in seconds since 1970.
    read_ended_at: u64,
}

impl Gate {
    /// A gate that knows nothing yet.
    pub fn new(config: Config) -> Self {
        let (entries, bytes) = config
            .phantom_token
            .as_ref()
            .map_or((1, 1), |stage| (stage.cache_entries, stage.cache_bytes));
        Self {
            config,
            cache: Cache::new(entries, bytes),
            flights: HashMap::new(),
            waiting: HashMap::new(),
            last_flight: 0,
            ended: EndedSessions::new(MAX_ENDED_SESSIONS),
            ended_version: String::new(),
            read_ended_at: 0,
        }
    }

    /// A request's head has come. Without an effect that ends it, it is to be paused.
    pub fn request(&mut self, stream: StreamId, head: &Head, now: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        match admission::admit(&self.config, head, &self.ended, now) {
            Err(refused) => effects.push(Effect::Reply { stream, refused }),
            Ok(admission) => {
                effects.extend(
                    admission
                        .key_id
                        .map(|key_id| Effect::Count(Count::CookieOpened(key_id))),
                );
                self.admitted(stream, admission, now, &mut effects);
            }
        }
        effects
    }

    fn admitted(&mut self, stream: StreamId, admission: Admission, now: u64, effects: &mut Vec<Effect>) {
        let Admission {
            token, edits, bearer, ..
        } = admission;
        let waiter = Waiter { stream, edits, bearer };
        let Some(stage) = &self.config.phantom_token else {
            return effects.push(waiter.forward(&token));
        };
        if !stage.introspect_jwts
            && let Some(claims) = jwt::access_token_claims(&token)
        {
            // The API validates it; what it says of itself can only make us refuse.
            let expired = jwt::expiry(&claims).map_or(true, |expiry| expiry.is_some_and(|expiry| expiry <= now));
            let for_us = stage
                .required_audience
                .as_ref()
                .is_none_or(|audience| jwt::has_audience(&claims, audience));
            return effects.push(if expired || !for_us {
                waiter.reply(Refused::token(bearer, "the JWT has expired or is for another audience"))
            } else if jwt::has_scopes(&claims, &stage.required_scopes) {
                waiter.forward(&token)
            } else {
                waiter.end(&Verdict::Forbidden)
            });
        }
        let key = admission::cache_key(stage, &token);
        if let Some(verdict) = self.cache.get(&key, now) {
            effects.push(Effect::Count(Count::CacheHit));
            return effects.push(waiter.end(&verdict));
        }
        effects.push(Effect::Count(Count::CacheMiss));
        self.waiting.insert(stream, key);
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.waiters.push(waiter);
            return effects.push(Effect::Count(Count::Joined));
        }
        self.last_flight = self.last_flight.wrapping_add(1);
        let number = self.last_flight;
        effects.push(Effect::Introspect {
            stream: Some(stream),
            flight: FlightId { key, number },
            request: introspect::request(stage, &token),
        });
        let callout = Callout::Of(stream);
        self.flights.insert(
            key,
            Flight {
                number,
                token,
                callout,
                waiters: vec![waiter],
            },
        );
    }

    /// The authorization server has answered, or the callout could not be made.
    pub fn answer(&mut self, flight: FlightId, answer: &Answer, now: u64) -> Vec<Effect> {
        let Some(landed) = self.land(&flight.key, flight.number) else {
            return Vec::new();
        };
        let Some(stage) = &self.config.phantom_token else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        let failure = match introspect::classify(stage, answer, now) {
            Outcome::Known { verdict, expires_at } => {
                effects.extend(landed.waiters.into_iter().map(|waiter| waiter.end(&verdict)));
                self.cache.put(flight.key, verdict, expires_at, now);
                return effects;
            }
            Outcome::Unusable(why) => Refused::new(Refusal::AuthorizationServerError, why),
            Outcome::TimedOut => Refused::new(Refusal::AuthorizationServerTimeout, "it did not answer in time"),
        };
        effects.push(Effect::Count(Count::IntrospectionFailed));
        effects.extend(landed.waiters.into_iter().map(|waiter| waiter.reply(failure)));
        effects
    }

    /// A request is over: answered, forwarded and done, or its client has left.
    pub fn gone(&mut self, stream: StreamId) -> Vec<Effect> {
        let Some(key) = self.waiting.remove(&stream) else {
            return Vec::new();
        };
        let Some(flight) = self.flights.get_mut(&key) else {
            return Vec::new();
        };
        flight.waiters.retain(|waiter| waiter.stream != stream);
        let lost = flight.callout == Callout::Of(stream);
        if lost {
            flight.callout = Callout::Lost;
        }
        match (flight.waiters.is_empty(), lost) {
            // Nobody waits, and no answer will come.
            (true, true) => {
                self.flights.remove(&key);
                Vec::new()
            }
            (false, true) => vec![Effect::TickSoon],
            // An answer that nobody waits for is still worth keeping.
            (_, false) => Vec::new(),
        }
    }

    /// Time has passed: the list of ended sessions may be due, and callouts that were lost with their requests are made
    /// again.
    pub fn tick(&mut self, now: u64) -> Vec<Effect> {
        let mut effects = Vec::from_iter(self.read_ended_sessions(now));
        let Some(stage) = &self.config.phantom_token else {
            return effects;
        };
        let lost = self
            .flights
            .iter_mut()
            .filter(|(_, flight)| flight.callout == Callout::Lost);
        effects.extend(lost.map(|(key, flight)| {
            flight.callout = Callout::Nobodys;
            Effect::Introspect {
                stream: None,
                flight: FlightId {
                    key: *key,
                    number: flight.number,
                },
                request: introspect::request(stage, &flight.token),
            }
        }));
        effects
    }

    fn read_ended_sessions(&mut self, now: u64) -> Option<Effect> {
        let source = self.config.bff_token.as_ref()?.ended_sessions.as_ref()?;
        if now < self.read_ended_at {
            return None;
        }
        self.read_ended_at = now.saturating_add(source.poll_seconds);
        Some(Effect::ReadEndedSessions {
            cluster: source.cluster.clone(),
            path: format!("{}?known={}", source.path, self.ended_version),
        })
    }

    /// The list of ended sessions has come; `body` is `None` where it could not be read. 204: it is the one that is
    /// known already.
    pub fn ended_sessions(&mut self, status: u16, body: Option<&[u8]>) -> Vec<Effect> {
        let count = match (status, body) {
            (204, _) => Count::EndedSessionsRead,
            (200, Some(body)) => match EndedSessions::from_json(body, MAX_ENDED_SESSIONS) {
                Some((ended, version)) if is_version(&version) => {
                    // Replicas of the service may know different ones, and what is over stays over.
                    self.ended.merge(&ended);
                    self.ended_version = version;
                    Count::EndedSessionsRead
                }
                _ => Count::EndedSessionsFailed,
            },
            _ => Count::EndedSessionsFailed,
        };
        vec![Effect::Count(count)]
    }

    /// How many entries the list of ended sessions has.
    pub fn known_ended_sessions(&self) -> usize {
        self.ended.len()
    }

    /// How many answers are kept.
    pub fn cached(&self) -> usize {
        self.cache.len()
    }

    /// How many introspections are under way.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Ends a flight, if it is still under way.
    fn land(&mut self, key: &Key, number: u64) -> Option<Flight> {
        self.flights.get(key).filter(|flight| flight.number == number)?;
        let flight = self.flights.remove(key)?;
        for waiter in &flight.waiters {
            self.waiting.remove(&waiter.stream);
        }
        Some(flight)
    }
}

/// What may stand in a query as it is.
fn is_version(version: &str) -> bool {
    version.len() <= 64 && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Waiter {
    /// The end of a request whose token is known.
    fn end(self, verdict: &Verdict) -> Effect {
        match verdict {
            Verdict::Active(jwt) => {
                let jwt = Rc::clone(jwt);
                self.forward(&jwt)
            }
            Verdict::Inactive => {
                let refused = Refused::token(self.bearer, "the token is not active, or is for another audience");
                self.reply(refused)
            }
            Verdict::Forbidden => {
                let bearer_error = self.bearer.then_some("insufficient_scope");
                self.reply(Refused {
                    refusal: Refusal::Forbidden,
                    bearer_error,
                    why: "the token lacks a required scope",
                })
            }
        }
    }

    fn forward(self, token: &[u8]) -> Effect {
        let Self { stream, mut edits, .. } = self;
        edits.set.push(("authorization", [b"Bearer ", token].concat()));
        Effect::Forward { stream, edits }
    }

    fn reply(self, refused: Refused) -> Effect {
        Effect::Reply {
            stream: self.stream,
            refused,
        }
    }
}
