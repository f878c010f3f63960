//! Rotation of refresh tokens with detection of reuse: each is valid for one use, and a second use ends its family.

use std::collections::HashMap;

use serde_json::{Value, json};

/// What a use of a refresh token led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The next refresh token, of this generation.
    Rotated(u32),
    /// It had been used before, so the family ends.
    Reused,
    /// The family had ended before.
    Ended,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Rotated(_) => "rotated",
            Self::Reused => "reused",
            Self::Ended => "ended",
        }
    }
}

/// A use of a refresh token. Times are in milliseconds since 1970.
struct Use {
    generation: u32,
    received_at: u64,
    answered_at: u64,
    outcome: Outcome,
}

#[derive(Default)]
struct Family {
    generation: u32,
    ended: bool,
}

/// All families of refresh tokens, and what became of them.
pub(crate) struct Grants {
    families: HashMap<u32, Family>,
    /// Families below this number exist from the beginning, with their first refresh token unused.
    sealed: u32,
    next: u32,
    uses: HashMap<u32, Vec<Use>>,
}

impl Grants {
    pub(crate) fn new(sealed: u32) -> Self {
        Self {
            families: HashMap::new(),
            sealed,
            next: sealed,
            uses: HashMap::new(),
        }
    }

    /// A new family, for a sign-in.
    pub(crate) fn begin(&mut self) -> u32 {
        let family = self.next;
        self.next += 1;
        self.families.insert(family, Family::default());
        family
    }

    /// Uses a refresh token. Times are in milliseconds since 1970.
    pub(crate) fn exchange(&mut self, family: u32, generation: u32, received_at: u64, answered_at: u64) -> Outcome {
        let state = self.families.entry(family).or_default();
        let outcome = if state.ended {
            Outcome::Ended
        } else if state.generation == generation {
            state.generation += 1;
            Outcome::Rotated(state.generation)
        } else {
            state.ended = true;
            Outcome::Reused
        };
        self.uses.entry(family).or_default().push(Use {
            generation,
            received_at,
            answered_at,
            outcome,
        });
        outcome
    }

    /// Whether the family exists and has not ended.
    pub(crate) fn is_active(&self, family: u32) -> bool {
        match self.families.get(&family) {
            Some(state) => !state.ended,
            None => family < self.sealed,
        }
    }

    /// The uses of a family's refresh tokens, in their order.
    pub(crate) fn uses(&self, family: u32) -> Value {
        let uses = self.uses.get(&family).map(Vec::as_slice).unwrap_or_default();
        let uses = uses.iter().map(|one| {
            json!({
                "generation": one.generation,
                "received_at": one.received_at,
                "answered_at": one.answered_at,
                "outcome": one.outcome.name(),
            })
        });
        uses.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_use_of_a_refresh_token_ends_its_family_and_no_other() {
        let mut grants = Grants::new(2);
        assert_eq!(grants.exchange(0, 0, 1, 2), Outcome::Rotated(1));
        assert_eq!(grants.exchange(0, 1, 3, 4), Outcome::Rotated(2));
        assert_eq!(grants.exchange(0, 0, 5, 6), Outcome::Reused);
        assert_eq!(grants.exchange(0, 2, 7, 8), Outcome::Ended);
        assert!(!grants.is_active(0) && grants.is_active(1) && !grants.is_active(2));
        assert_eq!(grants.begin(), 2);
        assert!(grants.is_active(2));
        assert_eq!(grants.uses(0)[2]["outcome"], "reused");
    }
}
