//! A request that has shown a token, and how it ends when it is known what the token is worth.

use std::rc::Rc;

use crate::gateway::config::PhantomToken;
use crate::gateway::cookie_stage::{Edits, Refused};
use crate::gateway::token_info::{Carrier, Grant, Requirement};
use crate::gateway::{Effect, OnResponse, StreamId};

/// A request that has shown a token.
pub(crate) struct Visitor {
    pub(crate) stream: StreamId,
    pub(crate) edits: Edits,
    pub(crate) carrier: Carrier,
    /// What the route requires besides the entry point.
    pub(crate) route: Option<Requirement>,
}

impl Visitor {
    /// Its token is good: let go, if it is good enough.
    pub(crate) fn end(
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
                on_response: OnResponse {
                    by_cookie: self.carrier == Carrier::Cookie,
                    route: self.route,
                },
            },
            Err(refused) => self.refuse(refused),
        }
    }

    /// Its token is worth nothing.
    pub(crate) fn refuse_token(self, why: &'static str) -> Effect {
        let refused = Refused::token(self.carrier != Carrier::Cookie, why);
        self.refuse(refused)
    }

    pub(crate) fn refuse(self, refused: Refused) -> Effect {
        Effect::Reply {
            stream: self.stream,
            refused,
        }
    }
}
