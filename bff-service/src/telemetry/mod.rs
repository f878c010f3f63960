//! What operators look at: the log, the traces and the metrics. Nothing here knows the configuration or OAuth.
//!
//! * [`logging`]: the log's lines; [`request_context`]: which request they belong to.
//! * [`trace`]: W3C Trace Context and spans.
//! * [`metrics`]: counters and times, for Prometheus; [`server_endpoint`]: one of their labels.

pub mod logging;
pub mod metrics;
pub mod request_context;
pub mod server_endpoint;
pub mod trace;
