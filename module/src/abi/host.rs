//! Envoy in a hook: pointers that live until the hook returns.

use std::fmt;
use std::sync::Arc;

use bff_core::request::head::RequestHead;
use bff_shell::host::{CalloutRequest, Level};

use super::callbacks::{
    self, Buffer, CommitScheduler, ConfigPtr, DeleteScheduler, FilterPtr, Header, HeaderType, HttpCallout, LogLevel,
    SUCCESS, SchedulerPtr,
};
use crate::configuration::Mode;
use crate::envoy::{Envoy, EnvoyConfiguration, SecretId, Wake};

/// A request, in one of its hooks.
pub(super) struct FilterHook(FilterPtr);

/// A configuration, in one of its hooks.
pub(super) struct ConfigHook(ConfigPtr);

impl FilterHook {
    /// # Safety
    /// A hook of this filter got the pointer, and the value does not outlive the hook.
    pub(super) const unsafe fn new(filter: FilterPtr) -> FilterHook {
        FilterHook(filter)
    }

    pub(super) const fn ptr(&self) -> FilterPtr {
        self.0
    }

    /// Returns the request's head, which lies in Envoy.
    ///
    /// # Safety
    /// The head is dropped before the request's headers are changed.
    pub(super) unsafe fn request_head(&self) -> RequestHead<'_> {
        // SAFETY: the contract of `FilterHook::new`.
        unsafe { head(self.0, HeaderType::Request) }
    }

    /// Returns Envoy's number of this worker thread.
    pub(super) fn worker_index(&self) -> usize {
        // SAFETY: as above.
        let index = unsafe { callbacks::worker_index(self.0) };
        usize::try_from(index).unwrap_or(usize::MAX)
    }
}

impl ConfigHook {
    /// # Safety
    /// A hook of this configuration got the pointer, and the value does not outlive the hook.
    pub(super) const unsafe fn new(config: ConfigPtr) -> ConfigHook {
        ConfigHook(config)
    }

    pub(super) const fn ptr(&self) -> ConfigPtr {
        self.0
    }

    /// Returns what Envoy does with the configuration. On the main thread.
    pub(super) fn mode() -> Mode {
        // SAFETY: on the main thread, where Envoy creates configurations.
        match unsafe { callbacks::is_validation_mode() } {
            true => Mode::Validate,
            // SAFETY: as above.
            false => Mode::Serve(usize::try_from(unsafe { callbacks::concurrency() }).unwrap_or(1)),
        }
    }
}

/// # Safety
/// The pointer is valid, and the head is dropped before the headers are changed.
unsafe fn head<'a>(filter: FilterPtr, kind: HeaderType) -> RequestHead<'a> {
    let empty = Header {
        name: Buffer::EMPTY,
        value: Buffer::EMPTY,
    };
    // SAFETY: the pointer is valid.
    let mut lines = vec![empty; unsafe { callbacks::headers_size(filter, kind) }];
    // SAFETY: Envoy fills as many lines as it has just counted.
    if !unsafe { callbacks::headers(filter, kind, lines.as_mut_ptr()) } {
        return RequestHead::default();
    }
    // SAFETY: Envoy has filled them, and they live as long as the head.
    RequestHead::new(
        lines
            .iter()
            .map(|line| unsafe { (line.name.bytes(), line.value.bytes()) }),
    )
}

/// Calls `work` with the lines of a head of ours.
pub(super) fn with_lines<'a, T>(lines: &[(&'a str, &'a str)], work: impl FnOnce(*const Header<'a>, usize) -> T) -> T {
    let header = |line: &(&'a str, &'a str)| Header {
        name: Buffer::of(line.0.as_bytes()),
        value: Buffer::of(line.1.as_bytes()),
    };
    let lines: Vec<Header<'a>> = lines.iter().map(header).collect();
    work(lines.as_ptr(), lines.len())
}

fn write_line(level: Level, message: fmt::Arguments<'_>) {
    let level = match level {
        Level::Debug => LogLevel::Debug,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    };
    // SAFETY: from any thread.
    if unsafe { callbacks::log_enabled(level) } {
        let message = message.to_string();
        // SAFETY: from any thread, and the message is copied.
        unsafe { callbacks::log(level, Buffer::of(message.as_bytes())) };
    }
}

/// Wakes a request or a configuration, by Envoy's functions for one or the other.
struct Scheduler {
    pointer: SchedulerPtr,
    commit: CommitScheduler,
    delete: DeleteScheduler,
}

// SAFETY: a scheduler can be used and deleted on any thread.
unsafe impl Send for Scheduler {}
// SAFETY: as above.
unsafe impl Sync for Scheduler {}

impl Wake for Scheduler {
    fn wake(&self) {
        // SAFETY: it is deleted only when this value is dropped.
        unsafe { (self.commit)(self.pointer, 0) };
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // SAFETY: once, and nobody has the pointer afterwards.
        unsafe { (self.delete)(self.pointer) };
    }
}

/// Sends a request on behalf of a filter or of a configuration.
fn call_out(of: *mut std::ffi::c_void, send: HttpCallout, request: &CalloutRequest<'_>) -> Option<u64> {
    let mut number = 0;
    let timeout_ms = u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX);
    let (cluster, body) = (Buffer::of(request.cluster.as_bytes()), Buffer::of(request.body));
    let result = with_lines(request.headers, |lines, count| {
        // SAFETY: the pointer is that of a hook on its thread, and everything else lives until the call returns.
        unsafe { send(of, &raw mut number, cluster, lines, count, body, timeout_ms) }
    });
    (result == SUCCESS).then_some(number)
}

impl Envoy for ConfigHook {
    fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        write_line(level, message);
    }

    fn call_out(&self, request: &CalloutRequest<'_>) -> Option<u64> {
        call_out(self.0, callbacks::config_http_callout, request)
    }

    fn wake(&self) -> Arc<dyn Wake> {
        Arc::new(Scheduler {
            // SAFETY: the pointer is that of a hook.
            pointer: unsafe { callbacks::config_scheduler_new(self.0) },
            commit: callbacks::config_scheduler_commit,
            delete: callbacks::config_scheduler_delete,
        })
    }
}

impl EnvoyConfiguration for ConfigHook {
    fn subscribe(&self, name: &str, source: &str) -> Result<SecretId, &'static str> {
        let subscribe =
            callbacks::subscribe_secret().ok_or("`sds` needs Envoy 1.40 or later: write `env` or `inline`")?;
        let (name, source) = (Buffer::of(name.as_bytes()), Buffer::of(source.as_bytes()));
        // SAFETY: the pointer is that of the hook that creates the configuration, and name and source are copied.
        match unsafe { subscribe(self.0, name, source) } {
            0 => Err("Envoy rejected the `sds` secret, and says why in its log: correct `name` or `sds_config`"),
            id => Ok(SecretId(id)),
        }
    }
}

impl Envoy for FilterHook {
    fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        write_line(level, message);
    }

    fn call_out(&self, request: &CalloutRequest<'_>) -> Option<u64> {
        call_out(self.0, callbacks::http_callout, request)
    }

    fn wake(&self) -> Arc<dyn Wake> {
        Arc::new(Scheduler {
            // SAFETY: the pointer is that of a hook.
            pointer: unsafe { callbacks::scheduler_new(self.0) },
            commit: callbacks::scheduler_commit,
            delete: callbacks::scheduler_delete,
        })
    }
}
