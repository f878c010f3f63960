//! What a shell must offer.

use std::fmt;
use std::time::Duration;

use bff_core::gateway::attributes::{RequestAttributes, StreamId};
use bff_core::gateway::effect::Decision;
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_core::gateway::single_flight::FlightId;

use crate::local_reply::LocalReply;

/// The level of a line in Envoy's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For those who look for the cause of something.
    Debug,
    /// Something is not as it should be.
    Warn,
    /// Something does not work.
    Error,
}

/// What the response to a callout is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callout {
    /// An introspection.
    Introspection {
        /// The flight that the response ends.
        flight: FlightId,
        /// When it began: the time since 1970.
        started: Duration,
    },
    /// A poll of the list of ended sessions.
    EndedSessions,
}

/// A request to a cluster.
#[derive(Clone, Copy, Debug)]
pub struct CalloutRequest<'a> {
    /// The name of the cluster.
    pub cluster: &'a str,
    /// Pseudo-headers and headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body, which may be empty.
    pub body: &'a [u8],
    /// Time limit for the whole response.
    pub timeout: Duration,
}

/// Envoy, in a callback. "This request" is the one whose callback it is.
pub trait Host: RequestAttributes {
    /// Returns the time since 1970.
    fn now(&self) -> Duration;

    /// Writes a line to Envoy's log, if it has lines of this level.
    fn log(&self, level: Level, message: fmt::Arguments<'_>);

    /// Changes the head of this request, which has not been forwarded yet.
    fn mutate_request_headers(&self, mutations: &HeaderMutations);

    /// Answers this request, or replaces its response, in the callback of the response's head.
    fn reply(&self, reply: &LocalReply<'_>);

    /// Adds `Cache-Control: private` to this response unless the API says who may cache it, so that shared caches do not
    /// store it for everybody. In the callback of the response's head.
    fn add_private(&self);

    /// Sends a request to a cluster on behalf of this request. The host passes the response to
    /// [`Worker::on_introspection`](crate::worker::Worker::on_introspection) or
    /// [`Worker::on_ended_sessions`](crate::worker::Worker::on_ended_sessions). Returns `false` if the cluster does not exist
    /// or accepts no more requests; then there is no response.
    fn call_out(&self, request: &CalloutRequest<'_>, callout: Callout) -> bool;

    /// Carries out a decision on a paused request, which may be another than this one and may have ended.
    fn decide(&self, stream: StreamId, decision: Decision);
}
