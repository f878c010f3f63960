//! Metrics through proxy-wasm, which has no labels.

use std::convert::Infallible;

use bff_shell::metrics::{Meter, MetricRegistry};
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

/// Envoy's stats.
pub(crate) struct Stats;

impl MetricRegistry for Stats {
    type Id = u32;
    type LabelledId = Infallible;

    fn counter(&self, name: &str) -> Option<u32> {
        hostcalls::define_metric(MetricType::Counter, name).ok()
    }

    fn gauge(&self, name: &str) -> Option<u32> {
        hostcalls::define_metric(MetricType::Gauge, name).ok()
    }

    fn histogram(&self, name: &str) -> Option<u32> {
        hostcalls::define_metric(MetricType::Histogram, name).ok()
    }

    fn labelled_counter(&self, _name: &str, _labels: &[&str]) -> Option<Infallible> {
        None
    }
}

impl Meter for Stats {
    type Id = u32;
    type LabelledId = Infallible;

    fn count(&self, id: u32, increment: u64) {
        self.change(id, i64::try_from(increment).unwrap_or(i64::MAX));
    }

    fn count_labelled(&self, id: Infallible, _values: &[&str], _increment: u64) {
        match id {}
    }

    fn change(&self, id: u32, change: i64) {
        let _ = hostcalls::increment_metric(id, change);
    }

    fn record(&self, id: u32, value: u64) {
        let _ = hostcalls::record_metric(id, value);
    }
}
