//! The functions of Envoy that the module calls, except those for metrics, spans and secrets. A fault of the module that they
//! notice ends the test program.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};

use super::super::callbacks::{
    Buffer, ConfigPtr, FilterPtr, Header, HeaderType, LOCAL_RESET, LogLevel, ROUTE_METADATA, ROUTE_NAME, SUCCESS,
    SchedulerPtr,
};
use super::config::{self, Config};
use super::dispatcher::{Name, assert_on};
use super::filter::{Filter, Hook, State};
use super::head::Head;
use super::process::{self, Counts, Process};
use super::request::{Fault, Outcome};
use super::server::Callout;

/// `envoy_dynamic_module_type_http_callout_init_result_MissingRequiredHeaders`.
const MISSING_REQUIRED_HEADERS: u32 = 1;

/// Returns text of the module.
pub(super) fn text(buffer: Buffer<'_>) -> String {
    // SAFETY: the module has filled the buffer, and it lives until its call returns.
    String::from_utf8(unsafe { buffer.bytes() }.to_vec()).expect("UTF-8")
}

fn with_head<T>(state: &mut State, kind: HeaderType, work: impl FnOnce(&mut Head) -> T) -> Option<T> {
    if state.is_detached {
        return None;
    }
    match kind {
        HeaderType::Request => Some(work(&mut state.head)),
        HeaderType::Response => state.response.as_mut().map(work),
    }
}

// The pointers are those of hooks, and whatever they point to lives: that is what these tests try.
symbols! {
    fn log(_level: LogLevel, message: Buffer<'_>) {
        if let Some(process) = process::here() {
            let mut lines = process.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(text(message));
        }
    }

    fn log_enabled(_level: LogLevel) -> bool { true }

    fn get_concurrency() -> u32 {
        assert_on(Name::Main);
        u32::try_from(process::here().expect("a thread of Envoy").workers.len()).expect("a few")
    }

    fn is_validation_mode() -> bool {
        assert_on(Name::Main);
        process::here().expect("a thread of Envoy").validates.load(Ordering::SeqCst)
    }

    fn http_get_headers_size(filter: FilterPtr, kind: HeaderType) -> usize {
        // SAFETY: see above.
        let filter = unsafe { Filter::at(filter) };
        if filter.request.plan.fault == Some(Fault::Headers) {
            return usize::MAX;
        }
        with_head(&mut filter.state(), kind, |head| head.len()).unwrap_or(0)
    }

    fn http_get_headers(filter: FilterPtr, kind: HeaderType, lines: *mut Header<'_>) -> bool {
        // SAFETY: see above.
        let filter = unsafe { Filter::at(filter) };
        let fill = |head: &mut Head| for (index, line) in head.lines().enumerate() {
            // SAFETY: the module has counted them, and reads no line after its head has changed.
            unsafe { lines.add(index).cast::<Header<'_>>().write(line) };
        };
        with_head(&mut filter.state(), kind, fill).is_some()
    }

    fn http_get_header(
        filter: FilterPtr, kind: HeaderType, name: Buffer<'_>, value: *mut Buffer<'_>, index: usize, count: *mut usize,
    ) -> bool {
        // SAFETY: see above.
        let (filter, name) = unsafe { (Filter::at(filter), name.bytes()) };
        with_head(&mut filter.state(), kind, |head| {
            // SAFETY: the module has places for both.
            unsafe { count.write(head.values(name).count()) };
            let found = head.values(name).nth(index);
            // SAFETY: as above.
            unsafe { value.cast::<Buffer<'_>>().write(found.map_or(Buffer::EMPTY, Buffer::of)) };
            found.is_some()
        })
        .unwrap_or(false)
    }

    fn http_set_header(filter: FilterPtr, kind: HeaderType, name: Buffer<'_>, value: Buffer<'_>) -> bool {
        // SAFETY: see above.
        let (filter, name, value) = unsafe { (Filter::at(filter), name.bytes(), value.bytes()) };
        with_head(&mut filter.state(), kind, |head| head.set(name, value)).is_some()
    }

    fn http_add_header(filter: FilterPtr, kind: HeaderType, name: Buffer<'_>, value: Buffer<'_>) -> bool {
        // SAFETY: see above.
        let (filter, name, value) = unsafe { (Filter::at(filter), name.bytes(), value.bytes()) };
        with_head(&mut filter.state(), kind, |head| head.add(name, value)).unwrap_or(false)
    }

    fn http_send_response(
        filter: FilterPtr, status: u32, headers: *const Header<'_>, count: usize, _body: Buffer<'_>, details: Buffer<'_>,
    ) {
        // SAFETY: see above.
        let (filter, head) = unsafe { (Filter::at(filter), Head::of_module(headers, count)) };
        filter.reply(Outcome::Replied(status, head, text(details)));
    }

    fn http_filter_continue_decoding(filter: FilterPtr) {
        // SAFETY: see above.
        let filter = unsafe { Filter::at(filter) };
        assert_eq!(filter.state().hook, Hook::Event, "only what was paused is resumed");
        filter.resume();
    }

    fn http_filter_reset_stream(filter: FilterPtr, reason: u32, details: Buffer<'_>) {
        assert_eq!(reason, LOCAL_RESET);
        // SAFETY: see above.
        let filter = unsafe { Filter::at(filter) };
        filter.reset(text(details));
    }

    fn http_filter_get_attribute_string(filter: FilterPtr, attribute: u32, value: *mut Buffer<'_>) -> bool {
        // SAFETY: see above.
        let filter = unsafe { Filter::at(filter) };
        // There is no TLS.
        if attribute != ROUTE_NAME || filter.state().is_detached {
            return false;
        }
        // SAFETY: the module has a place for it.
        unsafe { value.write(Buffer::of(filter.request.plan.route.as_bytes())) };
        true
    }

    fn http_get_metadata_string(
        filter: FilterPtr, source: u32, _namespace: Buffer<'_>, key: Buffer<'_>, value: *mut Buffer<'_>,
    ) -> bool {
        assert_eq!(source, ROUTE_METADATA);
        // SAFETY: see above.
        let filter = unsafe { Filter::at(filter) };
        let route = usize::from(filter.state().response.is_some());
        let key = text(key);
        let mut metadata = filter.request.plan.metadata[route].iter();
        match metadata.find(|(name, _)| *name == key) {
            Some((_, found)) => {
                // SAFETY: the module has a place for it.
                unsafe { value.write(Buffer::of(found.as_bytes())) };
                true
            }
            None => false,
        }
    }

    fn http_get_metadata_keys_count(filter: FilterPtr, source: u32, _namespace: Buffer<'_>) -> usize {
        assert_eq!(source, ROUTE_METADATA);
        // SAFETY: see above.
        let filter = unsafe { Filter::at(filter) };
        match (filter.request.plan.fault, filter.state().response.is_some()) {
            (Some(Fault::FirstRoute), false) | (Some(Fault::ServingRoute), true) => usize::MAX,
            (_, is_served) => filter.request.plan.metadata[usize::from(is_served)].len(),
        }
    }

    fn http_get_metadata_keys(
        filter: FilterPtr, source: u32, _namespace: Buffer<'_>, keys: *mut Buffer<'_>,
    ) -> bool {
        assert_eq!(source, ROUTE_METADATA);
        // SAFETY: see above.
        let filter = unsafe { Filter::at(filter) };
        let route = usize::from(filter.state().response.is_some());
        for (index, (name, _)) in filter.request.plan.metadata[route].iter().enumerate() {
            // SAFETY: the module has counted them.
            unsafe { keys.add(index).write(Buffer::of(name.as_bytes())) };
        }
        true
    }

    fn http_clear_route_cache(filter: FilterPtr) {
        // SAFETY: see above.
        let _filter = unsafe { Filter::at(filter) };
    }

    fn http_filter_get_worker_index(filter: FilterPtr) -> u32 {
        // SAFETY: see above.
        u32::try_from(unsafe { Filter::at(filter) }.request.plan.worker).expect("a few")
    }

    fn http_filter_http_callout(
        filter: FilterPtr, number: *mut u64, cluster: Buffer<'_>, headers: *const Header<'_>, count: usize,
        body: Buffer<'_>, _timeout_ms: u64,
    ) -> u32 {
        // SAFETY: see above.
        let (filter, callout) = unsafe { (Filter::at(filter), callout(cluster, headers, count, body)) };
        // SAFETY: the module has a place for it.
        callout.and_then(|callout| filter.call_out(callout)).map_or_else(|why| why, |made| unsafe {
            number.write(made);
            SUCCESS
        })
    }

    fn http_filter_config_http_callout(
        config: ConfigPtr, number: *mut u64, cluster: Buffer<'_>, headers: *const Header<'_>, count: usize,
        body: Buffer<'_>, _timeout_ms: u64,
    ) -> u32 {
        // SAFETY: see above.
        let made = unsafe {
            callout(cluster, headers, count, body).and_then(|callout| Config::call_out(config, &callout))
        };
        // SAFETY: the module has a place for it.
        made.map_or_else(|why| why, |made| unsafe {
            number.write(made);
            SUCCESS
        })
    }

    fn http_filter_scheduler_new(filter: FilterPtr) -> SchedulerPtr {
        // SAFETY: see above.
        let filter = unsafe { Filter::at(filter) };
        assert!(!filter.state().is_detached, "a scheduler after the end of its request");
        Scheduler::create(filter.weak(), &filter.config.process)
    }

    fn http_filter_scheduler_commit(scheduler: SchedulerPtr, event: u64) {
        // SAFETY: the module has not deleted it.
        Filter::schedule(unsafe { &(*scheduler.cast::<Scheduler<Filter>>()).of }, event);
    }

    fn http_filter_scheduler_delete(scheduler: SchedulerPtr) {
        // SAFETY: the module deletes it once.
        drop(unsafe { Box::from_raw(scheduler.cast::<Scheduler<Filter>>()) });
    }

    fn http_filter_config_scheduler_new(config: ConfigPtr) -> SchedulerPtr {
        // SAFETY: see above.
        let (of, config) = unsafe { (config::weak(config), Config::at(config)) };
        Scheduler::create(of, &config.process)
    }

    fn http_filter_config_scheduler_commit(scheduler: SchedulerPtr, event: u64) {
        // SAFETY: the module has not deleted it.
        let of = unsafe { &(*scheduler.cast::<Scheduler<Config>>()).of };
        // Until it is posted, this thread holds a count, which may be the last one.
        let Some(config) = of.upgrade() else { return };
        // Miri needs longer for the ticks of a few configurations than the time between two of them.
        if cfg!(miri) && process::here().is_none() {
            return;
        }
        if process::here().is_none() {
            config.process.held.wait(|| Arc::strong_count(&config) == 1);
        }
        let of = Weak::clone(of);
        config.process.main.post(move || {
            if let Some(config) = of.upgrade() {
                config.scheduled(event);
            }
        });
    }

    fn http_filter_config_scheduler_delete(scheduler: SchedulerPtr) {
        // SAFETY: the module deletes it once.
        drop(unsafe { Box::from_raw(scheduler.cast::<Scheduler<Config>>()) });
    }
}

/// What wakes a request or a configuration. The module may have it for longer than that lives.
struct Scheduler<T> {
    of: Weak<T>,
    process: Arc<Process>,
}

impl<T> Scheduler<T> {
    fn create(of: Weak<T>, process: &Arc<Process>) -> SchedulerPtr {
        let Counts { schedulers, .. } = &process.counts;
        schedulers.fetch_add(1, Ordering::SeqCst);
        let process = Arc::clone(process);
        Box::into_raw(Box::new(Scheduler { of, process })).cast()
    }
}

impl<T> Drop for Scheduler<T> {
    fn drop(&mut self) {
        self.process.counts.schedulers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// # Safety
/// The module has filled the buffers and the array, and they live until its call returns.
unsafe fn callout(
    cluster: Buffer<'_>,
    headers: *const Header<'_>,
    count: usize,
    body: Buffer<'_>,
) -> Result<Callout, u32> {
    // SAFETY: the contract of this function.
    let head = unsafe { Head::of_module(headers, count) };
    let required = [":method", ":path", ":authority"];
    if !required.iter().all(|name| head.get(name).is_some()) {
        return Err(MISSING_REQUIRED_HEADERS);
    }
    Ok(Callout {
        cluster: text(cluster),
        head,
        body: text(body),
        request: None,
    })
}
