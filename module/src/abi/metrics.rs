//! Envoy's metrics.

use std::ffi::c_void;

use bff_shell::metrics::{Meter, MetricRegistry};

use super::callbacks::{self, Buffer, ChangeMetric, ConfigPtr, DefineMetric, SUCCESS};
use super::host::{ConfigHook, FilterHook};
use crate::envoy::{LabelledId, MetricId};

/// Changes a metric. The result is ignored, since no request should fail because of a metric. Envoy numbers metrics
/// with and without labels independently, and tells them apart by how many label values there are. So `number`
/// must be that of a metric with as many labels.
fn apply(of: *mut c_void, change: ChangeMetric, number: usize, labels: &[&str], value: u64) {
    let labels: Vec<Buffer<'_>> = labels.iter().map(|label| Buffer::of(label.as_bytes())).collect();
    // SAFETY: the pointer is that of a hook, on a thread of Envoy; the labels are copied.
    let _ = unsafe { change(of, number, labels.as_ptr(), labels.len(), value) };
}

/// Defines a metric. Returns its number.
fn define(config: ConfigPtr, define: DefineMetric, name: &str, labels: &[&str]) -> Option<usize> {
    let mut number = 0;
    let name = Buffer::of(name.as_bytes());
    let labels: Vec<Buffer<'_>> = labels.iter().map(|label| Buffer::of(label.as_bytes())).collect();
    // SAFETY: the pointer is that of a hook, Envoy writes the number to `number`, and copies name and labels.
    let result = unsafe { define(config, name, labels.as_ptr(), labels.len(), &raw mut number) };
    (result == SUCCESS).then_some(number)
}

impl MetricRegistry for ConfigHook {
    type Id = MetricId;
    type LabelledId = LabelledId;

    fn counter(&self, name: &str) -> Option<MetricId> {
        define(self.ptr(), callbacks::define_counter, name, &[]).map(MetricId)
    }

    fn gauge(&self, name: &str) -> Option<MetricId> {
        define(self.ptr(), callbacks::define_gauge, name, &[]).map(MetricId)
    }

    fn histogram(&self, name: &str) -> Option<MetricId> {
        define(self.ptr(), callbacks::define_histogram, name, &[]).map(MetricId)
    }

    fn labelled_counter(&self, name: &str, labels: &[&str]) -> Option<LabelledId> {
        define(self.ptr(), callbacks::define_counter, name, labels).map(LabelledId)
    }
}

impl Meter for ConfigHook {
    type Id = MetricId;
    type LabelledId = LabelledId;

    fn count(&self, id: MetricId, increment: u64) {
        apply(self.ptr(), callbacks::config_increment_counter, id.0, &[], increment);
    }

    fn count_labelled(&self, id: LabelledId, values: &[&str], increment: u64) {
        apply(self.ptr(), callbacks::config_increment_counter, id.0, values, increment);
    }

    fn change(&self, id: MetricId, change: i64) {
        let gauge = match change < 0 {
            true => callbacks::config_decrement_gauge,
            false => callbacks::config_increment_gauge,
        };
        apply(self.ptr(), gauge, id.0, &[], change.unsigned_abs());
    }

    fn record(&self, id: MetricId, value: u64) {
        apply(self.ptr(), callbacks::config_record_histogram, id.0, &[], value);
    }
}

impl Meter for FilterHook {
    type Id = MetricId;
    type LabelledId = LabelledId;

    fn count(&self, id: MetricId, increment: u64) {
        apply(self.ptr(), callbacks::increment_counter, id.0, &[], increment);
    }

    fn count_labelled(&self, id: LabelledId, values: &[&str], increment: u64) {
        apply(self.ptr(), callbacks::increment_counter, id.0, values, increment);
    }

    fn change(&self, id: MetricId, change: i64) {
        let gauge = match change < 0 {
            true => callbacks::decrement_gauge,
            false => callbacks::increment_gauge,
        };
        apply(self.ptr(), gauge, id.0, &[], change.unsigned_abs());
    }

    fn record(&self, id: MetricId, value: u64) {
        apply(self.ptr(), callbacks::record_histogram, id.0, &[], value);
    }
}
