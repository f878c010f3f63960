//! What a shell must offer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bff_core::gateway::attributes::{RequestAttributes, StreamId};
use bff_core::gateway::authorization_server::Step;
use bff_core::gateway::effect::Decision;
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_core::gateway::rejection::Rejection;
use bff_core::gateway::single_flight::FlightId;
use bff_core::gateway::token_state::TokenOutcome;

use crate::local_reply::LocalReply;

/// The level of a line in Envoy's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Details for a diagnosis.
    Debug,
    /// Something is not as it should be.
    Warn,
    /// Something does not work.
    Error,
}

/// What the response to a callout is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callout {
    /// A step of the token stage.
    Step {
        /// The step.
        step: Step,
        /// The flight that waits for the response.
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

/// A value of the data that the VMs of the process share.
pub struct SharedValue {
    /// The value.
    pub bytes: Vec<u8>,
    /// Its version, which changes with each write.
    pub version: Option<u32>,
}

/// Envoy, in a callback.
pub trait Host {
    /// The maximum number of streams that are reset in one callback.
    const MAX_RESETS: usize = usize::MAX;

    /// Returns the time since 1970.
    fn now(&self) -> Duration;

    /// Writes a line to Envoy's log, which leaves out lines below its level.
    fn log(&self, level: Level, message: fmt::Arguments<'_>);

    /// Sends a request to a cluster. In the callback of a request, it is sent on behalf of that request. The host
    /// passes the response to [`Worker::on_server_response`](crate::worker::Worker::on_server_response) or
    /// [`Worker::on_ended_sessions`](crate::worker::Worker::on_ended_sessions). Returns `false` if the cluster does not
    /// exist, has no healthy host, or accepts no more requests. Then there is no response.
    fn call_out(&self, request: &CalloutRequest<'_>, callout: Callout) -> bool;

    /// Carries out a decision on a paused request, which may be another than that of this callback, and may have ended.
    fn decide(&self, stream: StreamId, decision: Decision);

    /// Resets a forwarded request and its response. The request may be another than that of this callback, and may have
    /// ended. Its caller sees that the stream was cut off.
    fn reset(&self, stream: StreamId);

    /// Returns a value of the data that the VMs of the process share, and its version. `None`: there is none, or the host has
    /// no such data.
    fn shared_value(&self, _name: &str) -> Option<SharedValue> {
        None
    }

    /// Stores such a value, unless its version is no longer this one. `None`: whatever its version. Returns whether it did.
    fn set_shared_value(&self, _name: &str, _value: &[u8], _version: Option<u32>) -> bool {
        false
    }

    /// Passes the outcome of a flight to [`Worker::on_outcome`](crate::worker::Worker::on_outcome) of the worker of
    /// another paused request, which may have ended.
    fn share(&self, stream: StreamId, outcome: Arc<TokenOutcome>);

    /// Calls [`Worker::take_over`](crate::worker::Worker::take_over) of the worker of another paused request, which may have
    /// ended, or [`Worker::repeat_lost`](crate::worker::Worker::repeat_lost), as soon as possible.
    fn take_over(&self, stream: StreamId);
}

/// Envoy, in a callback of a request.
pub trait RequestHost: Host + RequestAttributes {
    /// Arranges that [`Host::decide`], [`Host::share`] and [`Host::take_over`] reach this request, which may be paused. Its
    /// callback has not ended yet.
    fn prepare_to_wait(&self, stream: StreamId);

    /// Counts this request as forwarded, or as rejected, by whatever the host knows of it. Its head has not been changed yet,
    /// unless it was forwarded before, and its response is replaced.
    fn count(&self, _rejection: Option<&Rejection>) {}

    /// Changes the head of this request, which has not been forwarded yet.
    fn mutate_request_headers(&self, mutations: &HeaderMutations);

    /// Answers this request, or replaces its response, in the callback of the response's head.
    fn reply(&self, reply: &LocalReply<'_>);

    /// Adds `Cache-Control: private` to this response unless the API says who may cache it, so that shared caches do not
    /// store it for everybody. In the callback of the response's head.
    fn add_private(&self);
}
