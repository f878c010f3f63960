//! The gate: a request's head goes in, what to do with the request comes out. A state machine without a host.
//!
//! Events are the methods; each returns the effects to carry out, in order. A request ends by exactly one effect that names
//! it, [`Effect::Forward`] or [`Effect::Reply`]; until then it is paused.

use std::rc::Rc;

use zeroize::Zeroizing;

use crate::admission::{self, Admission, Credential, Edits, Refused};
use crate::cache::{Cache, Verdict};
use crate::config::{Config, PhantomToken};
use crate::counts::{Count, Counts};
use crate::ended::EndedSessions;
use crate::flights::Flights;
use crate::grant::{Carrier, Grant, Requirement};
use crate::head::Head;
use crate::introspect::{self, Answer, Outcome, Request, StageHash};
use crate::opened_cookies::OpenedCookies;
use crate::reply::Refusal;

pub use crate::flights::FlightId;

/// The longest list of ended sessions that is kept.
pub const MAX_ENDED_SESSIONS: usize = 10_000;

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
}

/// What the proxy knows of a request besides its head. Each is asked for only where it matters.
pub trait Surroundings {
    /// SHA-256 of the certificate (DER) that the client showed on this connection.
    fn peer_certificate(&self) -> Option<[u8; 32]>;
    /// What the route's metadata say under a namespace and a name: the bytes of a text, or whatever bytes the proxy has for
    /// something else.
    fn route_metadata(&self, namespace: &str, name: &str) -> Option<Vec<u8>>;
}

/// A request that has shown a token, and what becomes of it when the token is known.
struct Visitor {
    stream: StreamId,
    edits: Edits,
    carrier: Carrier,
    /// What the route requires besides the entry point.
    route: Option<Requirement>,
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
    ended: EndedSessions,
    ended_version: String,
    /// When the list of ended sessions is to be read again, in seconds since 1970.
    read_ended_at: u64,
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
            ended: EndedSessions::new(MAX_ENDED_SESSIONS),
            ended_version: String::new(),
            read_ended_at: 0,
        }
    }

    /// A request's head has come. Without an effect that ends it, it is to be paused.
    pub fn request(&mut self, stream: StreamId, head: &Head, around: &dyn Surroundings, now: u64) -> Option<Effect> {
        let admitted = admission::admit(&self.config, &mut self.cookies, head, &self.ended, now);
        let effect = match admitted {
            Err(refused) => Some(Effect::Reply { stream, refused }),
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
        let route = match stage.and_then(|stage| stage.route_metadata.as_ref()) {
            Some(namespace) => {
                let say = |name: &str| around.route_metadata(namespace, name);
                let (scopes, audience) = (say("required_scopes"), say("required_audience"));
                let Some(requirement) = Requirement::of_route(scopes.as_deref(), audience.as_deref()) else {
                    let refused = Refused::new(Refusal::ServerError, "the route's metadata say no requirement");
                    return Some(Effect::Reply { stream, refused });
                };
                Some(requirement)
            }
            None => None,
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
        if let Credential::Cookie(found) = &credential
            && let Some(grant) = &found.grant
        {
            self.counts.add(Count::CacheHit);
            return Some(visitor.end(stage, grant, || around.peer_certificate()));
        }
        let token = match &credential {
            Credential::Cookie(found) => &found.cookie.content.value,
            Credential::Bearer(token) => token,
        };
        let (Some(stage), Some(stage_hash)) = (stage, &self.stage_hash) else {
            let grant = Rc::new(Grant::bearer(token));
            if let Credential::Cookie(found) = &credential {
                self.cookies.learn(found, &grant, u64::MAX);
            }
            return Some(visitor.end(stage, &grant, || None));
        };
        if !stage.introspect_jwts
            && let Some(known) = introspect::self_contained(token, now)
        {
            return Some(match known {
                Ok((grant, until)) => {
                    let grant = Rc::new(grant);
                    if let Credential::Cookie(found) = &credential {
                        self.cookies.learn(found, &grant, until);
                    }
                    visitor.end(Some(stage), &grant, || around.peer_certificate())
                }
                Err(why) => visitor.refuse_token(why),
            });
        }
        let key = stage_hash.key(token);
        if let Some((verdict, until)) = self.cache.get(&key, now) {
            self.counts.add(Count::CacheHit);
            return Some(match verdict {
                Verdict::Active(grant) => {
                    if let Credential::Cookie(found) = &credential {
                        self.cookies.learn(found, &grant, until);
                    }
                    visitor.end(Some(stage), &grant, || around.peer_certificate())
                }
                Verdict::Inactive => visitor.refuse_token("the token is not active"),
            });
        }
        self.counts.add(Count::CacheMiss);
        let request = introspect::request(stage, token, Some(head));
        let peer_certificate = match carrier {
            Carrier::Cookie => None,
            Carrier::Bearer { .. } => around.peer_certificate(),
        };
        let waiter = Waiter {
            visitor,
            peer_certificate,
        };
        match self.flights.join(key, Zeroizing::clone(token), stream, waiter) {
            Some(flight) => Some(Effect::Introspect {
                stream: Some(stream),
                flight,
                request,
            }),
            None => {
                self.counts.add(Count::Joined);
                None
            }
        }
    }

    /// The authorization server has answered, or the callout could not be made.
    pub fn answer(&mut self, flight: FlightId, answer: &Answer, now: u64) -> Vec<Effect> {
        let Some(waiters) = self.flights.land(flight) else {
            return Vec::new();
        };
        let Some(stage) = &self.config.phantom_token else {
            return Vec::new();
        };
        let outcome = introspect::classify(stage, answer, now);
        if !matches!(outcome, Outcome::Known { .. }) {
            self.counts.add(Count::IntrospectionFailed);
        }
        let ends = waiters.into_iter().map(|(_, waiter)| match &outcome {
            Outcome::Known { verdict, .. } => match verdict {
                Verdict::Active(grant) => waiter.visitor.end(Some(stage), grant, || waiter.peer_certificate),
                Verdict::Inactive => waiter.visitor.refuse_token("the token is not active"),
            },
            Outcome::Unusable(why) => waiter
                .visitor
                .refuse(Refused::new(Refusal::AuthorizationServerError, why)),
            Outcome::TimedOut => waiter.visitor.refuse(Refused::new(
                Refusal::AuthorizationServerTimeout,
                "it did not answer in time",
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

    /// A request is over: answered, forwarded and done, or its client has left.
    pub fn gone(&mut self, stream: StreamId) -> Vec<Effect> {
        match self.flights.leave(stream) {
            true => vec![Effect::TickSoon],
            false => Vec::new(),
        }
    }

    /// Time has passed: the list of ended sessions may be due, and callouts that were lost with their requests are made
    /// again.
    pub fn tick(&mut self, now: u64) -> Vec<Effect> {
        let mut effects = Vec::from_iter(self.read_ended_sessions(now));
        let Some(stage) = &self.config.phantom_token else {
            return effects;
        };
        effects.extend(self.flights.lost().map(|(flight, token)| Effect::Introspect {
            stream: None,
            flight,
            request: introspect::request(stage, token, None),
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
    pub fn ended_sessions(&mut self, status: u16, body: Option<&[u8]>) {
        let read = match (status, body) {
            (204, _) => true,
            (200, Some(body)) => match EndedSessions::from_json(body, MAX_ENDED_SESSIONS) {
                Some((ended, version)) if is_version(&version) => {
                    // Replicas of the service may know different ones, and what is over stays over.
                    self.ended.merge(&ended);
                    self.ended_version = version;
                    true
                }
                _ => false,
            },
            _ => false,
        };
        self.counts.add(match read {
            true => Count::EndedSessionsRead,
            false => Count::EndedSessionsFailed,
        });
    }

    /// How many entries the list of ended sessions has.
    pub fn known_ended_sessions(&self) -> usize {
        self.ended.len()
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

/// What may stand in a query as it is.
fn is_version(version: &str) -> bool {
    version.len() <= 64 && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Visitor {
    /// The end of a request whose token is good, if it is good enough.
    fn end(
        self,
        stage: Option<&PhantomToken>,
        grant: &Rc<Grant>,
        certificate: impl FnOnce() -> Option<[u8; 32]>,
    ) -> Effect {
        let entry_point = stage.map(|stage| &stage.requirement);
        let requirements = entry_point.into_iter().chain(&self.route);
        match grant.check(self.carrier, requirements, certificate) {
            Ok(()) => Effect::Forward {
                stream: self.stream,
                edits: self.edits.with(Rc::clone(grant)),
            },
            Err(refused) => self.refuse(refused),
        }
    }

    fn refuse_token(self, why: &'static str) -> Effect {
        let refused = Refused::token(self.carrier != Carrier::Cookie, why);
        self.refuse(refused)
    }

    fn refuse(self, refused: Refused) -> Effect {
        Effect::Reply {
            stream: self.stream,
            refused,
        }
    }
}
