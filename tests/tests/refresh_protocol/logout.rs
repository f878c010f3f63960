//! The model of a logout at one replica while another one refreshes the session: the second of the two must see the first, or
//! new tokens remain valid at the authorization server although no browser holds them.

use stateright::{Model, Property};

/// When the refreshing replica checks whether the session was ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Check {
    /// Before it publishes the new tokens: the former rule.
    BeforePublishing,
    /// After that as well: the present rule.
    AfterPublishing,
}

/// A refresh and a logout, each in its order.
#[derive(Clone, Copy, Debug)]
pub struct Logout {
    /// When the refreshing replica checks.
    pub check: Check,
    /// Whether the logout looks for the tokens of a refresh that its cookies do not contain yet.
    pub looks_for_tokens: bool,
}

/// How far both are, and what they have caused.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// The number of steps of each.
    refresh: u8,
    logout: u8,
    /// The content of Redis.
    is_ended: bool,
    is_published: bool,
    /// The state of the new tokens at the authorization server.
    is_revoked: bool,
    /// The refresh has found that the session was ended: its caller gets no tokens.
    is_refused: bool,
}

/// The next step of one of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    Refresh,
    Logout,
}

impl Model for Logout {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.refresh < 4 && !state.is_refused {
            actions.push(Action::Refresh);
        }
        if state.logout < 2 {
            actions.push(Action::Logout);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Refresh => {
                state.refresh += 1;
                match state.refresh {
                    // The authorization server has rotated the refresh token.
                    1 => {}
                    3 => state.is_published = true,
                    // Checks whether the session was ended, and revokes the new tokens.
                    2 | 4 => {
                        let checks = state.refresh == 2 || self.check == Check::AfterPublishing;
                        if checks && state.is_ended {
                            (state.is_refused, state.is_revoked) = (true, true);
                        }
                    }
                    _ => return None,
                }
            }
            Action::Logout => {
                state.logout += 1;
                match state.logout {
                    1 => state.is_ended = true,
                    2 => state.is_revoked |= self.looks_for_tokens && state.is_published,
                    _ => return None,
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(NOTHING_STAYS, |model: &Logout, state: &State| {
            let mut left = Vec::new();
            model.actions(state, &mut left);
            !left.is_empty() || state.is_revoked
        })]
    }
}

/// The rule. It holds only if `check` is `AfterPublishing` and `looks_for_tokens` is true.
pub const NOTHING_STAYS: &str = "after a logout no tokens of the session are active at the authorization server";
