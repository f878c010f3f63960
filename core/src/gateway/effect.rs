//! What the gateway asks its host to do.

use super::attributes::StreamId;
use super::header_mutations::HeaderMutations;
use super::introspection::IntrospectionRequest;
use super::notices::Notice;
use super::rejection::Rejection;
use super::requirement::Requirement;
use super::single_flight::FlightId;

/// Something to do.
pub enum Effect {
    /// End a request's wait.
    Decide {
        /// The request.
        stream: StreamId,
        /// How it goes on.
        decision: Decision,
    },
    /// Do something that decides on no request.
    Run(Command),
}

/// How a request goes on. There is exactly one decision for each request.
pub enum Decision {
    /// It goes upstream.
    Forward(Forward),
    /// It is answered with an error.
    Reject(Rejection),
}

/// A request that goes upstream.
pub struct Forward {
    /// How its headers change.
    pub mutations: HeaderMutations,
    /// What the host keeps for the response.
    pub context: ResponseContext,
}

/// Something to do that decides on no request.
pub enum Command {
    /// Ask the authorization server, and give the answer to [`Gateway::on_introspection`](super::Gateway::on_introspection).
    Introspect {
        /// The request that it is made for; `None` when that request has gone.
        stream: Option<StreamId>,
        /// What the answer is for.
        flight: FlightId,
        /// The request to make.
        request: IntrospectionRequest,
    },
    /// Read the list of ended sessions, and give the answer to
    /// [`Gateway::on_ended_sessions`](super::Gateway::on_ended_sessions).
    ReadEndedSessions {
        /// The Envoy cluster.
        cluster: String,
        /// Path and query. The query names the state of the list that is known already, which is not sent again.
        path: String,
    },
    /// Warn the operator in the log.
    Warn(Notice),
}

/// What the host keeps of a request that went upstream until its response comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseContext {
    /// A cookie let the request in: unless the API says so, no shared cache may keep the response (RFC 9111, section 3.5).
    pub by_cookie: bool,
    /// What the route's metadata required, where routes are asked: [`Gateway::on_response`](super::Gateway::on_response)
    /// compares.
    pub route: Option<Requirement>,
}
