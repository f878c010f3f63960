//! What a request of a session may do, according to the binding of the session and the proof in the request.

use bff_core::cookie::seal::Binding;

use super::GRACE_SECONDS;
use super::decisions::{BindingDecision, BindingDecisions, Undecided};
use crate::session::current_session::RequestSession;

/// The standing of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The request acts in its session, which has this binding.
    Live(Binding),
    /// The request has no proof, and provisional cookies of a session that was bound or replaced less than [`GRACE_SECONDS`]
    /// ago: the request may read, and its response sets no cookies.
    Superseded,
}

impl Standing {
    /// The standing of a request of `session` at `now` (seconds since 1970); `None` if the session is bound or was
    /// replaced, the request has no valid proof, and it is not [`Standing::Superseded`].
    ///
    /// # Errors
    /// The session is provisional, and it is unknown whether it is bound: see [`Undecided`].
    pub async fn of(
        decisions: &BindingDecisions,
        session: &RequestSession,
        now: u64,
    ) -> Result<Option<Standing>, Undecided> {
        let decision = match (session.sealed, session.id()) {
            (Binding::Provisional, Some(id)) => decisions.of(&id, session.began_at, now).await?,
            (Binding::Provisional | Binding::Unbound | Binding::Bound, _) => None,
        };
        Ok(Standing::by(
            session.sealed,
            session.proof.is_ok(),
            decision.as_ref(),
            now,
        ))
    }

    /// The standing of a request whose cookies are sealed with this binding, with or without a proof. `decision` is the
    /// binding decision on a provisional session.
    fn by(sealed: Binding, is_proven: bool, decision: Option<&BindingDecision>, now: u64) -> Option<Standing> {
        let decided_at = match (sealed, decision) {
            (Binding::Unbound, _) | (Binding::Provisional, Some(BindingDecision::Unbound)) => {
                return Some(Standing::Live(Binding::Unbound));
            }
            (Binding::Provisional, None) => return Some(Standing::Live(Binding::Provisional)),
            (Binding::Provisional, Some(BindingDecision::Bound { at, .. } | BindingDecision::Replaced { at })) => {
                Some(*at)
            }
            (Binding::Bound, _) => None,
        };
        if is_proven {
            return Some(Standing::Live(Binding::Bound));
        }
        decided_at
            .filter(|at| now < at.saturating_add(GRACE_SECONDS))
            .map(|_| Standing::Superseded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_session_needs_its_proof_and_a_provisional_one_needs_it_once_it_is_bound() {
        use Binding::{Bound, Provisional, Unbound};
        let bound = BindingDecision::Bound {
            thumbprint: String::new(),
            at: 1000,
        };
        let (unbound, replaced) = (BindingDecision::Unbound, BindingDecision::Replaced { at: 1000 });
        for (sealed, decision, unproven) in [
            (Unbound, None, Some(Standing::Live(Unbound))),
            (Provisional, None, Some(Standing::Live(Provisional))),
            (Provisional, Some(&unbound), Some(Standing::Live(Unbound))),
            (Provisional, Some(&bound), None),
            (Provisional, Some(&replaced), None),
            (Bound, None, None),
        ] {
            let late = 1000 + GRACE_SECONDS;
            assert_eq!(
                Standing::by(sealed, false, decision, late),
                unproven,
                "{sealed:?} {decision:?}"
            );
            let proven = unproven.or(Some(Standing::Live(Bound)));
            assert_eq!(
                Standing::by(sealed, true, decision, late),
                proven,
                "{sealed:?} {decision:?}"
            );
        }
        for decision in [&bound, &replaced] {
            let in_flight = Standing::by(Provisional, false, Some(decision), 1000 + GRACE_SECONDS - 1);
            assert_eq!(in_flight, Some(Standing::Superseded));
        }
        assert_eq!(Standing::by(Bound, false, None, 0), None);
    }
}
