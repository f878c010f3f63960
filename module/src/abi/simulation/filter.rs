//! A request as Envoy has it, on its worker thread.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::super::callbacks::FilterPtr;
use super::config::Config;
use super::dispatcher::{assert_on, defer};
use super::head::Head;
use super::hooks;
use super::process::Version;
use super::request::{Outcome, Request, Upstream};
use super::server::Callout;

/// `envoy_dynamic_module_type_on_http_filter_request_headers_status`, and those of body and trailers.
const CONTINUE: u32 = 0;
const STOP_ITERATION: u32 = 1;
const STOP_ALL_ITERATION_AND_WATERMARK: u32 = 4;

thread_local! {
    /// The requests of this worker thread, by number.
    static LIVE: RefCell<BTreeMap<u64, Arc<Filter>>> = const { RefCell::new(BTreeMap::new()) };
}

pub(super) struct Filter {
    pub(super) config: Arc<Config>,
    pub(super) request: Arc<Request>,
    /// Null before and after the module has it.
    module: AtomicPtr<c_void>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) hook: Hook,
    pub(super) head: Head,
    pub(super) response: Option<Head>,
    /// A reply that is sent after the present hook.
    prepared: Option<Outcome>,
    has_continued: bool,
    has_ended: bool,
    /// Whether Envoy has taken the request away from the filter: nothing has an effect any more.
    pub(super) is_detached: bool,
    callouts: BTreeSet<u64>,
    last_callout: u64,
}

/// The hook in which the request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hook {
    #[default]
    None,
    Request,
    Response,
    /// A callout or a scheduled event.
    Event,
}

impl Filter {
    /// # Safety
    /// The module has the pointer from a hook of this request, which has not ended.
    pub(super) unsafe fn at<'a>(pointer: FilterPtr) -> &'a Filter {
        // SAFETY: the contract of this function.
        let filter = unsafe { &*pointer.cast_const().cast::<Filter>() };
        assert_on(filter.request.worker.name);
        filter
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pointer(&self) -> FilterPtr {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    fn module(&self) -> *const c_void {
        self.module.load(Ordering::SeqCst)
    }

    /// Handles the head of a request.
    pub(super) fn start(config: Arc<Config>, request: Arc<Request>) {
        config.process.counts.filters.fetch_add(1, Ordering::SeqCst);
        let filter = Arc::new(Filter {
            module: AtomicPtr::default(),
            state: Mutex::new(State {
                head: request.plan.head.clone(),
                ..State::default()
            }),
            config,
            request,
        });
        // `LIVE` holds a reference, as Envoy's memory does, so the filter outlives the pointer that the module has.
        LIVE.with_borrow_mut(|live| live.insert(filter.request.number, Arc::clone(&filter)));
        // SAFETY: both pointers live as long as the filter.
        let module = unsafe { hooks::filter_new(filter.config.module(), filter.pointer()) };
        assert!(!module.is_null(), "the module has no request");
        filter.module.store(module.cast_mut(), Ordering::SeqCst);
        let ends = !filter.request.plan.has_body;
        // SAFETY: as above.
        let status = filter.in_hook(Hook::Request, |filter, module| unsafe {
            hooks::request_headers(filter, module, ends)
        });
        let prepared = filter.state().prepared.take();
        match (status, prepared) {
            (STOP_ITERATION, Some(reply)) => filter.end(reply),
            (CONTINUE, None) => filter.resume(),
            (STOP_ALL_ITERATION_AND_WATERMARK, None) => filter.request.pause(),
            (status, reply) => panic!(
                "invalid result of the hook for request headers: status {status} with the reply {reply:?}: correct `Stream`"
            ),
        }
    }

    /// Calls a hook. Until it returns, `state.hook` says which one.
    fn in_hook<T>(&self, hook: Hook, call: impl FnOnce(FilterPtr, *const c_void) -> T) -> T {
        let before = std::mem::replace(&mut self.state().hook, hook);
        let result = call(self.pointer(), self.module());
        self.state().hook = before;
        result
    }

    /// Lets the request continue to the API, at once or out of a pause. It may end in here.
    pub(super) fn resume(&self) {
        {
            let mut state = self.state();
            assert_ne!(state.hook, Hook::Request, "a request is resumed in its own hook");
            if state.is_detached || std::mem::replace(&mut state.has_continued, true) {
                return;
            }
        }
        if self.request.plan.has_body {
            // SAFETY: both pointers live as long as the filter.
            let body = self.in_hook(Hook::Request, |filter, module| unsafe {
                hooks::request_body(filter, module, false)
            });
            // SAFETY: as above.
            let trailers = self.in_hook(Hook::Request, |filter, module| unsafe {
                hooks::request_trailers(filter, module)
            });
            assert_eq!((body, trailers), (CONTINUE, CONTINUE), "a forwarded request stops");
        }
        match self.request.plan.upstream {
            Upstream::AtOnce => self.respond(),
            Upstream::Later => {
                let number = self.request.number;
                self.request.worker.post(move || {
                    if let Some(filter) = live(number) {
                        filter.respond();
                    }
                });
            }
            Upstream::Never => {}
        }
    }

    /// Handles the head of the response.
    fn respond(&self) {
        self.state().response = Some(Head::of(&[(":status", "200")]));
        // SAFETY: both pointers live as long as the filter.
        let status = self.in_hook(Hook::Response, |filter, module| unsafe {
            hooks::response_headers(filter, module, false)
        });
        let outcome = {
            let state = self.state();
            if state.has_ended {
                assert_eq!(status, STOP_ITERATION, "a replaced response continues");
                return;
            }
            assert_eq!(status, CONTINUE, "a response stops");
            Outcome::Forwarded(state.head.clone(), state.response.clone().unwrap_or_default())
        };
        // SAFETY: as above.
        let body = self.in_hook(Hook::Response, |filter, module| unsafe {
            hooks::response_body(filter, module, true)
        });
        // SAFETY: as above.
        let trailers = self.in_hook(Hook::Response, |filter, module| unsafe {
            hooks::response_trailers(filter, module)
        });
        assert_eq!((body, trailers), (CONTINUE, CONTINUE), "a response stops");
        self.end(outcome);
    }

    /// Answers the request: after the hook of its head, otherwise at once, and it ends in here.
    pub(super) fn reply(&self, reply: Outcome) {
        let mut state = self.state();
        if state.is_detached {
            return;
        }
        match state.hook {
            Hook::Request => {
                state.prepared.get_or_insert(reply);
            }
            Hook::Response | Hook::Event => {
                drop(state);
                self.end(reply);
            }
            Hook::None => panic!("a reply outside of a hook"),
        }
    }

    /// Resets the request, which was forwarded: it ends in here.
    pub(super) fn reset(&self, details: String) {
        assert_eq!(self.state().hook, Hook::Event, "a reset outside of an event");
        self.end(Outcome::Reset(details));
    }

    /// Ends the request.
    fn end(&self, outcome: Outcome) {
        if std::mem::replace(&mut self.state().has_ended, true) {
            return;
        }
        let filter = LIVE.with_borrow_mut(|live| live.remove(&self.request.number));
        let filter = filter.expect("a live request");
        // SAFETY: both pointers live as long as the filter.
        self.in_hook(Hook::None, |filter, module| unsafe {
            hooks::stream_complete(filter, module);
        });
        match self.config.process.version {
            Version::V139 => {
                self.destroy();
                self.detach();
                defer(move || drop(filter));
            }
            Version::V140 => {
                self.detach();
                defer(move || filter.destroy());
            }
        }
        self.request.end(outcome);
    }

    fn detach(&self) {
        let mut state = self.state();
        state.callouts.clear();
        state.is_detached = true;
    }

    fn destroy(&self) {
        let module = self.module.swap(std::ptr::null_mut(), Ordering::SeqCst);
        // SAFETY: the pointer is from `filter_new`, and this is the only call.
        unsafe { hooks::destroy(module) };
    }

    /// Sends a request on behalf of this one. `Err`: Envoy's number of the reason why not.
    pub(super) fn call_out(&self, mut callout: Callout) -> Result<u64, u32> {
        assert!(!self.state().is_detached, "a callout after the end of its request");
        callout.request = Some(Arc::clone(&self.request));
        let plan = (self.config.process.server)(&callout);
        if let Some(why) = plan.reason_not_sent() {
            return Err(why);
        }
        let callout = {
            let mut state = self.state();
            state.last_callout += 1;
            let callout = state.last_callout;
            state.callouts.insert(callout);
            callout
        };
        let number = self.request.number;
        plan.send(&self.request.worker, move |response| {
            let Some(filter) = live(number) else { return };
            if !filter.state().callouts.remove(&callout) {
                return;
            }
            response.with_arrays(|result, lines, lines_count, chunks, chunks_count| {
                // SAFETY: both pointers live as long as the filter, the arrays until the hook returns.
                filter.in_hook(Hook::Event, |filter, module| unsafe {
                    hooks::callout_done(
                        filter,
                        module,
                        callout,
                        result,
                        lines,
                        lines_count,
                        chunks,
                        chunks_count,
                    );
                });
            });
        });
        Ok(callout)
    }

    /// Handles a scheduled event.
    fn scheduled(&self, event: u64) {
        if self.module().is_null() || self.state().is_detached {
            self.config.process.counts.undelivered.fetch_add(1, Ordering::SeqCst);
            return;
        }
        // SAFETY: both pointers live as long as the filter.
        self.in_hook(Hook::Event, |filter, module| unsafe {
            hooks::scheduled(filter, module, event);
        });
    }

    /// Schedules an event, from any thread.
    pub(super) fn schedule(this: &Weak<Filter>, event: u64) {
        let Some(filter) = this.upgrade() else { return };
        let (this, process) = (Weak::clone(this), Arc::clone(&filter.config.process));
        filter.request.worker.post(move || match this.upgrade() {
            Some(filter) => filter.scheduled(event),
            None => {
                process.counts.undelivered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }

    /// Returns what schedules events of this request.
    pub(super) fn weak(&self) -> Weak<Filter> {
        live(self.request.number).map_or_else(Weak::new, |filter| Arc::downgrade(&filter))
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        assert!(self.module().is_null(), "the module was not told of an end");
        self.config.process.counts.filters.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Returns a request of this worker thread.
fn live(number: u64) -> Option<Arc<Filter>> {
    LIVE.with_borrow(|live| live.get(&number).cloned())
}

/// The client of a request leaves.
pub(super) fn leave(number: u64) {
    if let Some(filter) = live(number) {
        filter.end(Outcome::Left);
    }
}

/// Ends all requests of this worker thread.
pub(super) fn leave_all() {
    while let Some(number) = LIVE.with_borrow(|live| live.keys().next().copied()) {
        leave(number);
    }
}
