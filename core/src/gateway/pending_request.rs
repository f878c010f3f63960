//! A request with a credential, until the state of its access token is known.

use std::sync::Arc;
use std::time::Duration;

use super::cache_key::CacheKey;
use super::config::PhantomToken;
use super::effect::{Decision, Forward, ResponseContext};
use super::header_mutations::HeaderMutations;
use super::open_streams::{OpenStream, OpenStreams};
use super::rejection::Rejection;
use super::requirement::Requirement;
use super::single_flight::Token;
use super::token_info::{TokenInfo, TokenSource};
use super::token_memory::TokenMemory;
use super::token_state::InactiveReason;
use crate::cookie::session_id::SessionId;
use crate::request::trace_context::TraceHeader;

pub(crate) struct PendingRequest {
    pub(crate) mutations: HeaderMutations,
    pub(crate) source: TokenSource,
    /// What the route requires in addition to the entry point.
    pub(crate) route: Option<Requirement>,
    /// What ends its stream, in addition to the expiry of its access token.
    pub(crate) open: Option<Box<OpenStream>>,
}

/// A request that waits for a flight, with everything that cannot be read from the proxy later.
pub(crate) struct Waiting {
    pub(crate) request: PendingRequest,
    pub(crate) peer_certificate: Option<[u8; 32]>,
    /// The session of its cookie, and when it began, in seconds since 1970.
    pub(crate) session: Option<(SessionId, u64)>,
    pub(crate) trace: Vec<TraceHeader>,
    pub(crate) token: Token,
    pub(crate) key: CacheKey,
    pub(crate) memory: Arc<TokenMemory>,
    /// When it has waited for too long: the time since 1970. The callouts that it began at once have timed out by then.
    pub(crate) deadline: Duration,
}

impl PendingRequest {
    /// Returns the decision if the token is active: the request is forwarded if the token is sufficient at the time `now`, in
    /// seconds since 1970.
    pub(crate) fn with_active_token(
        self,
        stage: Option<&PhantomToken>,
        streams: &OpenStreams,
        token: &Arc<TokenInfo>,
        now: u64,
        certificate: impl FnOnce() -> Option<[u8; 32]>,
    ) -> Decision {
        let may_be_ended = self.open.is_some();
        let entry_point = stage.map(|stage| &stage.requirement);
        let requirements = entry_point.into_iter().chain(&self.route);
        match token.check(self.source, requirements, now, certificate) {
            Ok(()) => Decision::Forward(Forward {
                open: self.open.map(|open| streams.with_token(open, token)),
                mutations: self.mutations.with_token(Arc::clone(token)),
                context: ResponseContext {
                    by_cookie: self.source == TokenSource::Cookie,
                    may_be_ended,
                    route: self.route,
                },
            }),
            // The caller can do nothing about the audience of a token that the gateway has obtained.
            Err(rejection)
                if rejection.is_for_other_audience() && stage.is_some_and(|stage| stage.steps.exchange().is_some()) =>
            {
                let bearer = self.source != TokenSource::Cookie;
                Decision::Reject(Rejection::forbidden(
                    bearer,
                    "the exchanged token is for another audience",
                ))
            }
            Err(rejection) => Decision::Reject(rejection),
        }
    }

    /// Returns the decision if the token is invalid by its own content.
    pub(crate) fn with_invalid_token(&self, details: &'static str) -> Decision {
        Decision::Reject(Rejection::invalid_token(self.source != TokenSource::Cookie, details))
    }

    /// Returns the decision if the token is inactive.
    pub(crate) fn with_inactive_token(&self, reason: InactiveReason) -> Decision {
        Decision::Reject(reason.rejection(self.source != TokenSource::Cookie))
    }
}
