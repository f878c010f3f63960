//! What one exchange has in Redis, and what each script does to it: as data, for the model. That the real scripts do the same
//! is a test of its own.

/// A fencing token, as a small number.
pub type Token = u8;

/// How an exchange ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Outcome {
    /// New tokens.
    Renewed,
    /// `invalid_grant`: the session is over.
    Ended,
    /// It failed for now.
    ForNow,
}

/// How fencing tokens are made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tokens {
    /// By a counter in Redis that is deleted with the lock, as it was.
    Counted,
    /// At random, by whoever wants to lead: `0` is never one.
    Random(Token),
}

/// What is there.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Memory {
    pub outcome: Option<Outcome>,
    pub lock: Option<Token>,
    /// The mark of an exchange that was begun; with [`Tokens::Counted`], the counter.
    pub begun: Option<Token>,
}

/// What JOIN finds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Found {
    Outcome(Outcome),
    Leads { token: Token, instead: bool },
    Busy,
}

impl Memory {
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

    /// Whether the lock is the caller's.
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

    /// Whether it was published.
    pub fn settle(&mut self, token: Token, outcome: Outcome) -> bool {
        let is_replaced = match self.lock {
            Some(holder) => holder != token,
            None => self.outcome.is_some(),
        };
        !is_replaced && self.publish(outcome)
    }

    /// As it was: for the lock's holder alone.
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

    /// Whether it was there.
    pub fn discard(&mut self, outcome: Outcome) -> bool {
        let is_there = self.outcome == Some(outcome);
        if is_there {
            self.outcome = None;
        }
        is_there
    }
}
