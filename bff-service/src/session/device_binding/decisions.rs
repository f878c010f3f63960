//! The binding decisions: whether a session is bound to a device, and to which key. There is at most one for each
//! session. With Redis, all replicas share them. Without Redis, each replica knows only its own.
//!
//! Redis may lose data. So the start of a session stores that there is no binding decision yet: if nothing is stored, a
//! binding decision may be lost.
//!
//! The list is separate from that of ended sessions, which is short: however many users sign in, they displace no entry
//! of that list.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bff_core::cookie::session_id::SessionId;
use bff_core::encoding::hex;
use redis::Script;

use super::PROVISIONAL_SECONDS;
use crate::session::redis::{Redis, Unavailable};

/// How long a binding decision is stored, in seconds: until all provisional cookies with a token have expired, plus a
/// margin for clock skew.
const KEEP_SECONDS: u64 = PROVISIONAL_SECONDS + 300;
/// Maximum number of binding decisions that a process stores without Redis: enough for about 250 in each second.
const MAX_ENTRIES: usize = 1_000_000;
/// Maximum number of times that a binding decision is sent again if Redis may have stored it.
const MAX_REPETITIONS: usize = 2;

/// What Redis has for a session without a binding decision.
const UNDECIDED: &str = "undecided";

/// `ARGV`: a binding decision; its lifetime in seconds; [`UNDECIDED`]. If [`UNDECIDED`] is stored, stores the binding
/// decision in its place. Returns what was stored before.
const DECIDE: &str = "
    local stored = redis.call('GET', KEYS[1])
    if stored == ARGV[3] then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
    return stored";

/// Whether a session is bound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BindingDecision {
    /// The session is bound to a key.
    Bound {
        /// The thumbprint of the key.
        thumbprint: String,
        /// When the key was registered, in seconds since 1970.
        at: u64,
    },
    /// The session is unbound, and no key can be registered for it any more.
    Unbound,
    /// The browser has begun another session: nobody can bind or continue this one.
    Replaced {
        /// The time of that, in seconds since 1970.
        at: u64,
    },
}

impl BindingDecision {
    fn to_text(&self) -> String {
        match self {
            BindingDecision::Bound { thumbprint, at } => format!("{at} {thumbprint}"),
            BindingDecision::Replaced { at } => format!("{at} replaced"),
            BindingDecision::Unbound => "unbound".to_owned(),
        }
    }

    fn parse(text: &str) -> Option<BindingDecision> {
        if text == "unbound" {
            return Some(BindingDecision::Unbound);
        }
        let (at, what) = text.split_once(' ')?;
        let at = at.parse().ok()?;
        Some(match what {
            // A thumbprint is longer: base64url of a SHA-256 digest.
            "replaced" => BindingDecision::Replaced { at },
            thumbprint => BindingDecision::Bound {
                thumbprint: thumbprint.to_owned(),
                at,
            },
        })
    }
}

/// Why it is unknown whether a session is bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undecided {
    /// Redis is unavailable or has a malformed entry, or the list is full. The same request may succeed later.
    Unavailable,
    /// There is no binding decision, and there may have been one: Redis has lost it or, without Redis, the session began
    /// before this process started.
    Lost,
}

impl From<Unavailable> for Undecided {
    fn from(Unavailable: Unavailable) -> Undecided {
        Undecided::Unavailable
    }
}

/// The binding decisions of one application.
pub enum BindingDecisions {
    /// In Redis, for all replicas.
    Redis(Redis),
    /// In this process.
    Process {
        /// When this process started, in seconds since 1970.
        started_at: u64,
        /// The decisions.
        stored: Mutex<Stored>,
    },
}

/// The binding decisions of one process.
#[derive(Default)]
pub struct Stored {
    decisions: HashMap<[u8; 16], BindingDecision>,
    order: VecDeque<(u64, [u8; 16])>,
}

impl BindingDecisions {
    /// With Redis, replicas share the binding decisions. Without Redis, starts empty at `now` (seconds since 1970).
    pub fn new(redis: Option<Redis>, now: u64) -> BindingDecisions {
        match redis {
            Some(redis) => BindingDecisions::Redis(redis),
            None => BindingDecisions::Process {
                started_at: now,
                stored: Mutex::default(),
            },
        }
    }

    /// Begins a session at `now` (seconds since 1970) on which there will be a binding decision. Returns `false` if
    /// Redis does not store the start of the session, or if the list of this process is nine tenths full: the rest is
    /// for sessions that have already begun.
    pub async fn begin(&self, session: &SessionId, now: u64) -> bool {
        match self {
            // A moment ago, the login read the list of ended sessions from Redis.
            BindingDecisions::Redis(redis) if redis.is_unavailable() => false,
            BindingDecisions::Redis(redis) => {
                let (number, ..) = session.parts();
                let mut command = redis::cmd("SET");
                command
                    .arg(key(redis, &number))
                    .arg(UNDECIDED)
                    .arg("EX")
                    .arg(KEEP_SECONDS);
                redis.run::<String>(&command).await.is_ok()
            }
            BindingDecisions::Process { stored, .. } => {
                let mut stored = lock(stored);
                stored.forget(now);
                stored.decisions.len() < MAX_ENTRIES - MAX_ENTRIES / 10
            }
        }
    }

    /// Stores `decision` at `now` (seconds since 1970), unless there is an earlier one. Returns the earlier one, which
    /// stays.
    ///
    /// # Errors
    /// See [`Undecided`].
    pub async fn decide(
        &self,
        session: &SessionId,
        decision: &BindingDecision,
        now: u64,
    ) -> Result<Option<BindingDecision>, Undecided> {
        let (number, ..) = session.parts();
        let redis = match self {
            BindingDecisions::Redis(redis) => redis,
            BindingDecisions::Process { stored, .. } => return lock(stored).decide(number, decision, now),
        };
        let script = Script::new(DECIDE);
        let mut call = script.prepare_invoke();
        call.key(key(redis, &number))
            .arg(decision.to_text())
            .arg(KEEP_SECONDS)
            .arg(UNDECIDED);
        if let Ok(earlier) = redis.invoke(&call).await {
            return parse(earlier);
        }
        // Redis may have stored it before the timeout. Without a repetition, the session could be bound to a key that the
        // browser drops after the error.
        for _ in 0..MAX_REPETITIONS {
            if let Ok(earlier) = redis.invoke(&call).await {
                return Ok(parse(earlier)?.filter(|earlier| earlier != decision));
            }
        }
        Err(Undecided::Unavailable)
    }

    /// The binding decision on this session, which began at `began_at`, if there is one at `now` (both in seconds since
    /// 1970).
    ///
    /// # Errors
    /// See [`Undecided`].
    pub async fn of(&self, session: &SessionId, began_at: u64, now: u64) -> Result<Option<BindingDecision>, Undecided> {
        let (number, ..) = session.parts();
        match self {
            BindingDecisions::Redis(redis) => {
                let mut command = redis::cmd("GET");
                command.arg(key(redis, &number));
                parse(redis.run(&command).await?)
            }
            BindingDecisions::Process { started_at, stored } => {
                let mut stored = lock(stored);
                stored.forget(now);
                match stored.decisions.get(&number) {
                    None if began_at < *started_at => Err(Undecided::Lost),
                    decision => Ok(decision.cloned()),
                }
            }
        }
    }
}

// Every change is complete in itself, so a poisoned lock can be used.
fn lock(stored: &Mutex<Stored>) -> MutexGuard<'_, Stored> {
    stored.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The binding decision, from what Redis has for a session.
fn parse(stored: Option<String>) -> Result<Option<BindingDecision>, Undecided> {
    match stored.as_deref() {
        None => Err(Undecided::Lost),
        Some(UNDECIDED) => Ok(None),
        Some(text) => BindingDecision::parse(text).map(Some).ok_or(Undecided::Unavailable),
    }
}

fn key(redis: &Redis, number: &[u8; 16]) -> String {
    redis.key(&format!("device-binding:{}", hex::encode(number)))
}

impl Stored {
    fn decide(
        &mut self,
        number: [u8; 16],
        decision: &BindingDecision,
        now: u64,
    ) -> Result<Option<BindingDecision>, Undecided> {
        self.forget(now);
        if let Some(known) = self.decisions.get(&number) {
            return Ok(Some(known.clone()));
        }
        if self.decisions.len() >= MAX_ENTRIES {
            log::error!(
                "the list of binding decisions is full: configure Redis (`redis.url`), which has no such limit"
            );
            return Err(Undecided::Unavailable);
        }
        self.decisions.insert(number, decision.clone());
        self.order.push_back((now, number));
        Ok(None)
    }

    fn forget(&mut self, now: u64) {
        let is_old = |(at, _): &(u64, [u8; 16])| at.saturating_add(KEEP_SECONDS) < now;
        while self.order.front().is_some_and(is_old) {
            if let Some((_, number)) = self.order.pop_front() {
                self.decisions.remove(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn bound(thumbprint: &str) -> BindingDecision {
        BindingDecision::Bound {
            thumbprint: thumbprint.to_owned(),
            at: NOW,
        }
    }

    #[tokio::test]
    async fn the_first_decision_counts_until_no_provisional_cookie_is_left() {
        let decisions = BindingDecisions::new(None, NOW);
        let (one, other) = (SessionId([1; 32]), SessionId([2; 32]));
        assert_eq!(decisions.of(&one, NOW, NOW).await, Ok(None));
        assert_eq!(decisions.decide(&one, &bound("a"), NOW).await, Ok(None));
        for later in [
            bound("b"),
            BindingDecision::Unbound,
            BindingDecision::Replaced { at: NOW },
        ] {
            let earlier = decisions.decide(&one, &later, NOW + PROVISIONAL_SECONDS).await;
            assert_eq!(earlier, Ok(Some(bound("a"))));
        }
        assert_eq!(decisions.decide(&other, &BindingDecision::Unbound, NOW).await, Ok(None));
        assert_eq!(
            decisions.decide(&other, &bound("a"), NOW).await,
            Ok(Some(BindingDecision::Unbound))
        );
        assert_eq!(decisions.of(&one, NOW, NOW + KEEP_SECONDS).await, Ok(Some(bound("a"))));
        assert_eq!(decisions.of(&one, NOW, NOW + KEEP_SECONDS + 1).await, Ok(None));
    }

    /// Otherwise copied cookies of a bound session would be valid as those of an unbound one after a restart.
    #[tokio::test]
    async fn a_session_that_began_before_the_process_is_not_taken_for_an_undecided_one() {
        let decisions = BindingDecisions::new(None, NOW);
        let session = SessionId([1; 32]);
        assert_eq!(decisions.of(&session, NOW - 1, NOW).await, Err(Undecided::Lost));
        assert_eq!(
            decisions.decide(&session, &BindingDecision::Unbound, NOW).await,
            Ok(None)
        );
        assert_eq!(
            decisions.of(&session, NOW - 1, NOW).await,
            Ok(Some(BindingDecision::Unbound))
        );
    }

    #[test]
    fn the_text_of_a_decision_is_read_back() {
        for decision in [
            bound("thumbprint"),
            BindingDecision::Unbound,
            BindingDecision::Replaced { at: NOW },
        ] {
            assert_eq!(BindingDecision::parse(&decision.to_text()), Some(decision));
        }
        for other in ["", "x thumbprint", "bound"] {
            assert_eq!(BindingDecision::parse(other), None, "{other}");
        }
    }
}
