//! Whether a session is bound to a device, and to which key: decided once for each session, and known to all replicas
//! with Redis. Without Redis each replica knows its own decisions only.
//!
//! The list is separate from that of ended sessions, which is short: no number of sign-ins displaces an entry there.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bff_core::cookie::session_id::SessionId;
use bff_core::encoding::hex;
use redis::Script;

use super::PROVISIONAL_SECONDS;
use crate::session::redis::{Redis, Unavailable};

/// How long a decision is stored, in seconds: until no provisional cookie is left, with a margin for clocks.
const KEEP_SECONDS: u64 = PROVISIONAL_SECONDS + 300;
/// Maximum number of decisions that a process stores without Redis: 250 decisions a second.
const MAX_ENTRIES: usize = 1_000_000;
/// Maximum number of times that a decision is sent again if Redis may have stored it.
const MAX_REPETITIONS: usize = 2;

/// `ARGV`: a decision; its lifetime in seconds. Stores the decision if there is none. Returns nil, or the earlier one.
const DECIDE: &str = "
    local decision = redis.call('GET', KEYS[1])
    if not decision then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
    return decision";

/// Whether a session is bound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BindingDecision {
    /// It is bound to a key.
    Bound {
        /// The thumbprint of the key.
        thumbprint: String,
        /// When the key was registered, in seconds since 1970.
        at: u64,
    },
    /// It is not, and no key can be registered any more.
    Unbound,
    /// The browser began another session at this time, in seconds since 1970: no key can be registered for this one.
    Replaced {
        /// The time.
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
    /// Redis is unavailable, or the list is full. That may change.
    Unavailable,
    /// There is no decision, and there may have been one: the session began before this process (without Redis), or before
    /// this process saw Redis come back.
    Lost,
}

impl From<Unavailable> for Undecided {
    fn from(Unavailable: Unavailable) -> Undecided {
        Undecided::Unavailable
    }
}

/// The decisions of one application.
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

/// The decisions of one process.
#[derive(Default)]
pub struct Stored {
    decisions: HashMap<[u8; 16], BindingDecision>,
    order: VecDeque<(u64, [u8; 16])>,
}

impl BindingDecisions {
    /// Starts empty at `now` (seconds since 1970). With Redis, replicas share the decisions.
    pub fn new(redis: Option<Redis>, now: u64) -> BindingDecisions {
        match redis {
            Some(redis) => BindingDecisions::Redis(redis),
            None => BindingDecisions::Process {
                started_at: now,
                stored: Mutex::default(),
            },
        }
    }

    /// Whether the decision on a session that begins at `now` (seconds since 1970) can be stored. The last tenth of the list
    /// is for sessions that have begun.
    pub fn has_room(&self, now: u64) -> bool {
        match self {
            BindingDecisions::Redis(redis) => !redis.is_unavailable(),
            BindingDecisions::Process { stored, .. } => {
                let mut stored = lock(stored);
                stored.forget(now);
                stored.decisions.len() < MAX_ENTRIES - MAX_ENTRIES / 10
            }
        }
    }

    /// Decides at `now` (seconds since 1970), unless it is decided already. Returns the earlier decision, which counts.
    ///
    /// # Errors
    /// [`Undecided::Unavailable`].
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
        call.key(key(redis, &number)).arg(decision.to_text()).arg(KEEP_SECONDS);
        if let Ok(earlier) = redis.invoke(&call).await {
            return parse(earlier);
        }
        // Redis may have stored it before the time-out. Without a repetition, the session would be bound to a key that the
        // browser has dropped.
        for _ in 0..MAX_REPETITIONS {
            if let Ok(earlier) = redis.invoke(&call).await {
                return Ok(parse(earlier)?.filter(|earlier| earlier != decision));
            }
        }
        Err(Undecided::Unavailable)
    }

    /// The decision at `now` on this session, which began at `began_at` (seconds since 1970), if there is one.
    ///
    /// # Errors
    /// See [`Undecided`].
    pub async fn of(&self, session: &SessionId, began_at: u64, now: u64) -> Result<Option<BindingDecision>, Undecided> {
        let (number, ..) = session.parts();
        let (decision, may_be_lost) = match self {
            BindingDecisions::Redis(redis) => {
                let mut command = redis::cmd("GET");
                command.arg(key(redis, &number));
                let decision = parse(redis.run(&command).await?)?;
                (decision, began_at <= redis.back_at())
            }
            BindingDecisions::Process { started_at, stored } => {
                let mut stored = lock(stored);
                stored.forget(now);
                (stored.decisions.get(&number).cloned(), began_at < *started_at)
            }
        };
        match decision {
            None if may_be_lost => Err(Undecided::Lost),
            decision => Ok(decision),
        }
    }
}

// Every change is complete in itself, so a poisoned lock can be used.
fn lock(stored: &Mutex<Stored>) -> MutexGuard<'_, Stored> {
    stored.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parse(stored: Option<String>) -> Result<Option<BindingDecision>, Undecided> {
    let decision = stored.map(|text| BindingDecision::parse(&text).ok_or(Undecided::Unavailable));
    decision.transpose()
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
                "the list of decisions on the binding of sessions is full: configure `redis.url`, which has no such limit"
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

    /// Otherwise a restart would make copied cookies of a bound session those of an unbound one.
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
