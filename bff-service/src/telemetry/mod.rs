//! What operators look at: the log, the traces and the metrics. Nothing here knows the configuration or OAuth.
//!
//! * [`logging`]: the log's lines.
//! * [`trace`]: W3C Trace Context and spans.
//! * [`metrics`]: counters and times, for Prometheus.

pub mod logging;
pub mod metrics;
pub mod trace;
