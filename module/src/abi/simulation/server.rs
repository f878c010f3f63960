//! What is behind Envoy's clusters: the test chooses the response to each callout, and when it comes.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::super::callbacks::{Buffer, Header, SUCCESS};
use super::dispatcher::{Dispatcher, Event};
use super::head::Head;
use super::request::Request;

/// A callout of the module.
pub(crate) struct Callout {
    /// The cluster.
    pub(crate) cluster: String,
    /// Pseudo-headers and headers.
    pub(crate) head: Head,
    /// The body.
    pub(crate) body: String,
    /// The request on whose behalf it is; `None`: it is the configuration's.
    pub(crate) request: Option<Arc<Request>>,
}

/// What becomes of a callout.
#[derive(Clone)]
pub(crate) enum CalloutPlan {
    /// A response with JSON: when it comes, its status and its body.
    Http(When, u16, String),
    /// Its stream is reset after the head.
    Reset(When),
    /// It is sent, and nothing comes.
    Never,
    /// It is not sent: Envoy's number of the reason.
    NotSent(u32),
}

/// When a response comes.
#[derive(Clone)]
pub(crate) enum When {
    /// After this number of turns of the thread's queue.
    Turns(usize),
    /// When the test says so.
    Open(Arc<Gate>),
}

/// Responses that wait until it is opened.
#[derive(Default)]
pub(crate) struct Gate(Mutex<GateState>);

#[derive(Default)]
struct GateState {
    is_open: bool,
    waiting: Vec<(Arc<Dispatcher>, Event)>,
}

impl Gate {
    /// Lets all responses come, now and later.
    pub(crate) fn open(&self) {
        let waiting = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_open = true;
            std::mem::take(&mut state.waiting)
        };
        for (dispatcher, event) in waiting {
            dispatcher.post(event);
        }
    }

    fn wait(&self, dispatcher: &Arc<Dispatcher>, event: Event) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_open {
            drop(state);
            dispatcher.post(event);
        } else {
            state.waiting.push((Arc::clone(dispatcher), event));
        }
    }
}

/// A response as the hook gets it.
pub(super) struct Response {
    result: u32,
    head: Head,
    body: Vec<u8>,
}

impl CalloutPlan {
    pub(super) fn reason_not_sent(&self) -> Option<u32> {
        match self {
            CalloutPlan::NotSent(why) => Some(*why),
            CalloutPlan::Http(..) | CalloutPlan::Reset(_) | CalloutPlan::Never => None,
        }
    }

    /// If a response comes, calls `deliver` with it on a thread of Envoy.
    pub(super) fn send(self, dispatcher: &Arc<Dispatcher>, deliver: impl FnOnce(&Response) + Send + 'static) {
        const RESET: u32 = 1;
        let (when, response) = match self {
            CalloutPlan::Never | CalloutPlan::NotSent(_) => return,
            CalloutPlan::Reset(when) => {
                let response = Response {
                    result: RESET,
                    head: Head::default(),
                    body: Vec::new(),
                };
                (when, response)
            }
            CalloutPlan::Http(when, status, body) => {
                let status = status.to_string();
                let response = Response {
                    result: SUCCESS,
                    head: Head::of(&[(":status", &status), ("content-type", "application/json")]),
                    body: body.into_bytes(),
                };
                (when, response)
            }
        };
        let event: Event = Box::new(move || deliver(&response));
        match when {
            When::Turns(turns) => after(Arc::downgrade(dispatcher), turns, event),
            When::Open(gate) => gate.wait(dispatcher, event),
        }
    }
}

/// Runs an event after this number of turns of a thread's queue.
pub(super) fn after(dispatcher: Weak<Dispatcher>, turns: usize, event: Event) {
    let Some(thread) = dispatcher.upgrade() else { return };
    match turns.checked_sub(1) {
        None => thread.post(event),
        Some(rest) => thread.post(move || after(dispatcher, rest, event)),
    }
}

impl Response {
    /// Calls a hook with the arrays of a response: result, head, and the body in two chunks.
    pub(super) fn with_arrays(&self, hook: impl FnOnce(u32, *const Header<'_>, usize, *const Buffer<'_>, usize)) {
        let lines: Vec<Header<'_>> = self.head.lines().collect();
        let (first, second) = self.body.split_at(self.body.len() / 2);
        let chunks = [Buffer::of(first), Buffer::of(second)];
        match self.result {
            SUCCESS => hook(self.result, lines.as_ptr(), lines.len(), chunks.as_ptr(), chunks.len()),
            _ => hook(self.result, std::ptr::null(), 0, std::ptr::null(), 0),
        }
    }
}
