//! A request with a credential, until the state of its access token is known.

use std::sync::Arc;

use super::config::PhantomToken;
use super::effect::{Decision, Forward, ResponseContext};
use super::header_mutations::HeaderMutations;
use super::rejection::Rejection;
use super::requirement::Requirement;
use super::token_info::{TokenInfo, TokenSource};

pub(crate) struct PendingRequest {
    pub(crate) mutations: HeaderMutations,
    pub(crate) source: TokenSource,
    /// What the route requires in addition to the entry point.
    pub(crate) route: Option<Requirement>,
}

impl PendingRequest {
    /// Returns the decision if the token is active: the request is forwarded if the token is sufficient.
    pub(crate) fn with_active_token(
        self,
        stage: Option<&PhantomToken>,
        token: &Arc<TokenInfo>,
        certificate: impl FnOnce() -> Option<[u8; 32]>,
    ) -> Decision {
        let entry_point = stage.map(|stage| &stage.requirement);
        let requirements = entry_point.into_iter().chain(&self.route);
        match token.check(self.source, requirements, certificate) {
            Ok(()) => Decision::Forward(Forward {
                mutations: self.mutations.with_token(Arc::clone(token)),
                context: ResponseContext {
                    by_cookie: self.source == TokenSource::Cookie,
                    route: self.route,
                },
            }),
            Err(rejection) => Decision::Reject(rejection),
        }
    }

    /// Returns the decision if the token is inactive or invalid.
    pub(crate) fn with_invalid_token(&self, details: &'static str) -> Decision {
        Decision::Reject(Rejection::invalid_token(self.source != TokenSource::Cookie, details))
    }
}
