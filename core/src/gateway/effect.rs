//! What the gateway returns to its host: decisions and commands.

use std::sync::Arc;

use super::attributes::StreamId;
use super::authorization_server::ServerRequest;
use super::header_mutations::HeaderMutations;
use super::notices::Notice;
use super::open_streams::OpenStream;
use super::rejection::Rejection;
use super::requirement::Requirement;
use super::shared_cache::SharedEntry;
use super::single_flight::FlightId;
use super::token_state::TokenOutcome;

/// A decision or a command, which the host must carry out.
pub enum Effect {
    /// Carry out a decision on a request, which may be paused.
    Decide {
        /// The request.
        stream: StreamId,
        /// What becomes of the request.
        decision: Decision,
    },
    /// Run a command, which does not decide on a request.
    Run(Command),
}

/// What becomes of a request. There is one decision for each request, and none for one that ends while it waits.
pub enum Decision {
    /// The request is forwarded.
    Forward(Forward),
    /// The request is answered with an error.
    Reject(Rejection),
}

/// How a request is forwarded.
pub struct Forward {
    /// Changes to its headers.
    pub mutations: HeaderMutations,
    /// What the host stores for the response.
    pub context: ResponseContext,
    /// What ends its stream. Boxed, since without `end_streams` no request has one.
    pub(crate) open: Option<Box<OpenStream>>,
}

/// What the host must do, other than to decide on a request.
pub enum Command {
    /// Send a request to the authorization server on behalf of the flight's leader, if it has one, and pass the
    /// response to [`Gateway::on_server_response`](super::Gateway::on_server_response).
    CallOut {
        /// The flight that waits for the response.
        flight: FlightId,
        /// The request.
        request: ServerRequest,
    },
    /// Pass the outcome of a flight to the gateway of another request that waits for it
    /// ([`Gateway::on_outcome`](super::Gateway::on_outcome)). Only for gateways that share a
    /// [`TokenMemory`](super::token_memory::TokenMemory).
    Share {
        /// The other request, which may have ended.
        stream: StreamId,
        /// The outcome.
        outcome: Arc<TokenOutcome>,
    },
    /// Store an entry in the host's shared data, in one of two slots ([`SharedEntry::choose`]). Only for gateways with a shared
    /// cache.
    Store(SharedEntry),
    /// Tell the gateway of another request that the callout that it waits for was lost
    /// ([`Gateway::take_over`](super::Gateway::take_over)), unless [`Gateway::repeat_lost`](super::Gateway::repeat_lost)
    /// is called soon.
    TakeOver {
        /// The other request, which may have ended.
        stream: StreamId,
    },
    /// Poll the list of ended sessions, and pass the response to
    /// [`Gateway::on_ended_sessions`](super::Gateway::on_ended_sessions).
    PollEndedSessions {
        /// Envoy cluster of the service's admin listener.
        cluster: String,
        /// Path and query. The query has the version of the known list, so that an unchanged list is not sent again.
        path: String,
    },
    /// Write a warning for the operator to the log.
    Warn(Notice),
}

/// What the host stores of a forwarded request until its response arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseContext {
    /// Whether the request was forwarded because of a cookie. If so, no shared cache may store the response unless the
    /// API says so (RFC 9111, section 3.5).
    pub by_cookie: bool,
    /// What the route's metadata required, if `route_metadata` is configured.
    /// [`Gateway::on_response`](super::Gateway::on_response) compares it.
    pub route: Option<Requirement>,
    /// Whether the gateway may end the stream of this request ([`Gateway::ended_streams`](super::Gateway::ended_streams)),
    /// and must be told when it ends ([`Gateway::on_stream_end`](super::Gateway::on_stream_end)).
    pub may_be_ended: bool,
}
