//! The entries of one exchange in Redis, and the effect of each script on them: as data, for the model. A separate test shows
//! that the real scripts have the same effect.

/// A fencing token, as a small number.
pub type Token = u8;

/// How an exchange ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Outcome {
    /// New tokens.
    Renewed,
    /// `invalid_grant`: the session has ended.
    Ended,
    /// It failed temporarily.
    ForNow,
}

/// How fencing tokens are made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tokens {
    /// By a counter in Redis that is deleted with the lock: the former rule.
    Counted,
    /// At random, by the replica that wants to lead: `0` is never one.
    Random(Token),
}

/// The entries.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Memory {
    /// The published outcome.
    pub outcome: Option<Outcome>,
    /// The fencing token of the lock's holder.
    pub lock: Option<Token>,
    /// The mark of an exchange in progress; with [`Tokens::Counted`], the counter.
    pub begun: Option<Token>,
}

/// The result of JOIN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Found {
    /// An outcome is published.
    Outcome(Outcome),
    /// The caller leads. `instead`: another replica had begun.
    Leads { token: Token, instead: bool },
    /// Another replica leads.
    Busy,
}

impl Memory {
    /// Returns the outcome, or takes the lock if it is free and the caller may lead.
    pub fn join(&mut self, tokens: Tokens, may_lead: bool) -> Found {
        if let Some(outcome) = self.outcome {
            return Found::Outcome(outcome);
        }
        if !may_lead || self.lock.is_some() {
            return Found::Busy;
        }
        let instead = self.begun.is_some();
        let token = match tokens {
            Tokens::Counted => self.begun.unwrap_or(0) + 1,
            Tokens::Random(token) => token,
        };
        (self.begun, self.lock) = (Some(token), Some(token));
        Found::Leads { token, instead }
    }

    /// Returns whether the caller holds the lock.
    pub fn keep(&mut self, token: Token) -> bool {
        match self.lock {
            Some(holder) => holder == token,
            None if self.outcome.is_some() => false,
            None => {
                (self.begun, self.lock) = (Some(token), Some(token));
                true
            }
        }
    }

    /// Returns whether the outcome was published.
    pub fn settle(&mut self, token: Token, outcome: Outcome) -> bool {
        let is_replaced = match self.lock {
            Some(holder) => holder != token,
            None => self.outcome.is_some(),
        };
        !is_replaced && self.publish(outcome)
    }

    /// The former rule: only the lock's holder may publish.
    pub fn settle_as_before(&mut self, token: Token, outcome: Outcome) -> bool {
        self.lock == Some(token) && self.publish(outcome)
    }

    fn publish(&mut self, outcome: Outcome) -> bool {
        *self = Memory {
            outcome: Some(outcome),
            ..Memory::default()
        };
        true
    }

    /// Returns whether the outcome was present.
    pub fn discard(&mut self, outcome: Outcome) -> bool {
        let is_there = self.outcome == Some(outcome);
        if is_there {
            self.outcome = None;
        }
        is_there
    }
}
