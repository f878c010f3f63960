//! A configuration of the filter, as Envoy holds it: one count for the place where it stands, and one for each request.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::super::callbacks::{Buffer, ConfigPtr, SUCCESS};
use super::dispatcher::{Name, assert_on};
use super::hooks;
use super::process::{self, Process};
use super::server::Callout;

/// `envoy_dynamic_module_type_metrics_result`.
const METRIC_NOT_FOUND: u32 = 1;
const INVALID_LABELS: u32 = 2;
const FROZEN: u32 = 3;

/// The kinds of metrics, which Envoy numbers independently, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A counter with labels: name, number of its labels, and the sum of what was reported, by values.
struct Labelled {
    name: String,
    labels: usize,
    sums: BTreeMap<Vec<String>, i64>,
}

pub(super) struct Config {
    pub(super) process: Arc<Process>,
    /// Null until the module has created it.
    module: AtomicPtr<c_void>,
    is_frozen: AtomicBool,
    /// Kind, name, and the sum of what was reported.
    metrics: Mutex<Vec<(Kind, String, i64)>>,
    /// Counters with labels.
    labelled: Mutex<Vec<Labelled>>,
    callouts: Mutex<(u64, BTreeSet<u64>)>,
}

impl Config {
    /// Creates a configuration on the main thread; `None` if the module rejects it.
    pub(super) fn create(process: &Arc<Process>, text: &str) -> Option<Arc<Config>> {
        assert_on(Name::Main);
        process.counts.configurations.fetch_add(1, Ordering::SeqCst);
        let config = Arc::new(Config {
            process: Arc::clone(process),
            module: AtomicPtr::default(),
            is_frozen: AtomicBool::new(false),
            metrics: Mutex::default(),
            labelled: Mutex::default(),
            callouts: Mutex::default(),
        });
        // Bytes of its own, which die with the hook.
        let text = text.to_owned();
        // SAFETY: the pointer lives until the configuration is destroyed, and these bytes until the hook returns.
        let module = unsafe { hooks::config_new(config.pointer(), Buffer::of(b"bff"), Buffer::of(text.as_bytes())) };
        config.is_frozen.store(true, Ordering::SeqCst);
        config.module.store(module.cast_mut(), Ordering::SeqCst);
        (!module.is_null()).then_some(config)
    }

    pub(super) fn pointer(self: &Arc<Config>) -> ConfigPtr {
        Arc::as_ptr(self).cast_mut().cast()
    }

    /// # Safety
    /// The module has the pointer from a hook of this configuration, which has not been destroyed.
    pub(super) unsafe fn at<'a>(pointer: ConfigPtr) -> &'a Config {
        // SAFETY: the contract of this function.
        unsafe { &*pointer.cast_const().cast::<Config>() }
    }

    pub(super) fn module(&self) -> *const c_void {
        self.module.load(Ordering::SeqCst)
    }

    pub(super) fn scheduled(self: &Arc<Config>, event: u64) {
        assert_on(Name::Main);
        // SAFETY: both pointers live as long as this value.
        unsafe { hooks::config_scheduled(self.pointer(), self.module(), event) };
    }

    pub(super) fn define(&self, kind: Kind, name: &str) -> Result<usize, u32> {
        if self.is_frozen.load(Ordering::SeqCst) {
            return Err(FROZEN);
        }
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.push((kind, name.to_owned(), 0));
        Ok(metrics.iter().filter(|(of, ..)| *of == kind).count())
    }

    pub(super) fn define_labelled(&self, name: &str, labels: usize) -> Result<usize, u32> {
        if self.is_frozen.load(Ordering::SeqCst) {
            return Err(FROZEN);
        }
        let mut labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        labelled.push(Labelled {
            name: name.to_owned(),
            labels,
            sums: BTreeMap::new(),
        });
        Ok(labelled.len())
    }

    /// Adds to a counter with labels, for which Envoy needs one of its own threads.
    pub(super) fn count_labelled(&self, number: usize, values: Vec<String>, increment: i64) -> u32 {
        assert!(process::here().is_some(), "a label on a thread of the module");
        let mut labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        match number.checked_sub(1).and_then(|index| labelled.get_mut(index)) {
            Some(counter) if counter.labels == values.len() => {
                *counter.sums.entry(values).or_default() += increment;
                SUCCESS
            }
            Some(_) => INVALID_LABELS,
            None => METRIC_NOT_FOUND,
        }
    }

    pub(super) fn labelled(&self, name: &str) -> Vec<(Vec<String>, i64)> {
        let labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = labelled.iter().find(|counter| counter.name == name);
        let sums = &counter.expect("a counter that the module has defined").sums;
        sums.iter().map(|(values, sum)| (values.clone(), *sum)).collect()
    }

    pub(super) fn change(&self, kind: Kind, number: usize, change: i64) -> u32 {
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of_kind = metrics.iter_mut().filter(|(of, ..)| *of == kind);
        match number.checked_sub(1).and_then(|index| of_kind.nth(index)) {
            Some((_, _, sum)) => {
                *sum += change;
                SUCCESS
            }
            None => METRIC_NOT_FOUND,
        }
    }

    pub(super) fn sum(&self, kind: Kind, name: &str) -> i64 {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let metric = metrics.iter().find(|(of, at, _)| (*of, at.as_str()) == (kind, name));
        metric.expect("a metric that the module has defined").2
    }

    /// Sends a request on behalf of the configuration. `Err`: Envoy's number of the reason why not.
    ///
    /// # Safety
    /// The module has the pointer from a hook of this configuration, which has not been destroyed.
    pub(super) unsafe fn call_out(pointer: ConfigPtr, callout: &Callout) -> Result<u64, u32> {
        assert_on(Name::Main);
        // SAFETY: the contract of this function: Envoy holds a count.
        let config = unsafe { weak(pointer) }.upgrade().expect("a live configuration");
        let plan = (config.process.server)(callout);
        if let Some(why) = plan.reason_not_sent() {
            return Err(why);
        }
        let number = {
            let mut callouts = config.callouts.lock().unwrap_or_else(PoisonError::into_inner);
            callouts.0 += 1;
            let number = callouts.0;
            callouts.1.insert(number);
            number
        };
        let of = Arc::downgrade(&config);
        plan.send(&config.process.main, move |response| {
            let Some(config) = of.upgrade() else { return };
            let mut callouts = config.callouts.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(callouts.1.remove(&number), "a second response");
            drop(callouts);
            response.with_arrays(|result, lines, lines_count, chunks, chunks_count| {
                let (pointer, module) = (config.pointer(), config.module());
                // SAFETY: both pointers live as long as the configuration, the arrays until the hook returns.
                unsafe {
                    hooks::config_callout_done(
                        pointer,
                        module,
                        number,
                        result,
                        lines,
                        lines_count,
                        chunks,
                        chunks_count,
                    );
                }
            });
        });
        Ok(number)
    }
}

/// # Safety
/// The module has the pointer from a hook of this configuration, which has not been destroyed.
pub(super) unsafe fn weak(pointer: ConfigPtr) -> Weak<Config> {
    let pointer = pointer.cast_const().cast::<Config>();
    // SAFETY: it is from `Arc::as_ptr`, and Envoy holds a count.
    let config = unsafe {
        Arc::increment_strong_count(pointer);
        Arc::from_raw(pointer)
    };
    Arc::downgrade(&config)
}

/// On whichever thread drops the last count: the main thread, a worker, or one that wakes the configuration.
impl Drop for Config {
    fn drop(&mut self) {
        if !self.module().is_null() {
            // SAFETY: the pointer is from `config_new`, and this is the only call.
            unsafe { hooks::config_destroy(self.module()) };
        }
        self.process.counts.configurations.fetch_sub(1, Ordering::SeqCst);
    }
}
