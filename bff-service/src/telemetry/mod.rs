//! The log, the traces and the metrics. These modules depend neither on the configuration nor on OAuth.
//!
//! * [`logging`]: the log lines; [`request_context`]: the request that they belong to.
//! * [`trace`]: W3C Trace Context and spans.
//! * [`metrics`]: counters and histograms for Prometheus; [`server_endpoint`]: one of their labels.

pub mod logging;
pub mod metrics;
pub mod request_context;
pub mod server_endpoint;
pub mod trace;
