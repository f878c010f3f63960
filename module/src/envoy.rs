//! What the shell needs of Envoy, in a hook.

use std::fmt;
use std::sync::Arc;

use bff_core::gateway::attributes::RequestAttributes;
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_shell::host::{CalloutRequest, Level};
use bff_shell::local_reply::LocalReply;
use bff_shell::metrics::{Meter, MetricRegistry};

/// The number of a metric. Those of counters, gauges and histograms are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MetricId(pub(crate) usize);

/// The number of a counter with labels, independent of those of [`MetricId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LabelledId(pub(crate) usize);

/// A child span of a request's span. It is finished when it is dropped, which must be before the request ends.
pub(crate) trait Span {
    /// Sets a tag.
    fn set_tag(&self, name: &str, value: &str);
    /// Returns the trace id, in the form of Envoy's tracer.
    fn trace_id(&self) -> Option<String>;
    /// Returns the span's id, in the form of Envoy's tracer.
    fn id(&self) -> Option<String>;
}

/// Wakes a request or a configuration from any thread: its hook for scheduled events follows on its own thread, unless it
/// has ended.
pub(crate) trait Wake: Send + Sync {
    /// Schedules the event. It never runs inside this call.
    fn wake(&self);
}

/// Envoy in a hook of a configuration or of a request.
pub(crate) trait Envoy: Meter<Id = MetricId, LabelledId = LabelledId> {
    /// Writes a line to Envoy's log, which leaves out lines below its level.
    fn log(&self, level: Level, message: fmt::Arguments<'_>);

    /// Sends a request to a cluster. Returns the number of the callout; `None` if the cluster does not exist, has no healthy
    /// host, or accepts no more requests.
    fn call_out(&self, request: &CalloutRequest<'_>) -> Option<u64>;

    /// Returns what wakes this configuration or request.
    fn wake(&self) -> Arc<dyn Wake>;
}

/// The number of a secret that a configuration has subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecretId(pub(crate) usize);

/// Envoy while it creates a configuration.
pub(crate) trait EnvoyConfiguration: Envoy + MetricRegistry<Id = MetricId, LabelledId = LabelledId> {
    /// Subscribes to a generic secret: its name, and Envoy's `ConfigSource` as JSON, or nothing.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    fn subscribe(&self, name: &str, source: &str) -> Result<SecretId, &'static str>;
}

/// Envoy in a hook of a request.
pub(crate) trait EnvoyStream: Envoy + RequestAttributes {
    /// Returns the name of the route that Envoy has selected, which lives until the hook ends; empty if it has none.
    fn route_name(&self) -> &[u8];

    /// Begins a child span of the request's span; `None` if Envoy does not trace the request.
    fn begin_span(&self, name: &str) -> Option<Box<dyn Span>>;

    /// Changes the head of the request, which has not been forwarded yet.
    fn mutate_request_headers(&self, mutations: &HeaderMutations);

    /// Returns the newest value of a secret, which lives until the hook ends. It is empty if none has arrived yet.
    fn secret(&self, id: SecretId) -> &[u8];

    /// Resumes the request, which was paused. The request may end inside this call.
    fn resume(&self);

    /// Resets the request, which was forwarded, and its response. The request may end inside this call.
    fn reset(&self);

    /// Answers the request, or replaces its response. The request may end inside this call.
    fn reply(&self, reply: &LocalReply<'_>);

    /// Adds `Cache-Control: private` to the response unless the API says who may cache it.
    fn add_private(&self);
}
