//! One request.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bff_core::gateway::attributes::{RequestAttributes, StreamId};
use bff_core::gateway::authorization_server::ServerResponse;
use bff_core::gateway::effect::{Decision, ResponseContext};
use bff_core::gateway::error_code::ErrorCode;
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_core::gateway::rejection::Rejection;
use bff_core::gateway::token_state::TokenOutcome;
use bff_core::request::head::RequestHead;
use bff_shell::host::{Callout, CalloutRequest, Host, Level, RequestHost};
use bff_shell::local_reply::LocalReply;
use bff_shell::worker::{self, Action};

use crate::configuration::{self, Thread};
use crate::envoy::{EnvoyStream, Span};
use crate::span;
use crate::waiting::{self, Task};

/// A request, on one worker thread. The call that may end it is the last one in each hook.
pub(crate) struct Stream {
    thread: Arc<Thread>,
    id: StreamId,
    state: Cell<State>,
    /// What is stored for the response.
    response: Cell<ResponseContext>,
    /// The callout of this request that is in progress, and its number.
    callout: Cell<Option<(u64, Callout)>>,
    /// The span of that callout, if Envoy traces this request.
    span: Cell<Option<Box<dyn Span>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its head has not come yet.
    New,
    /// It is paused: its body and trailers may not continue.
    Paused,
    /// It was answered: its body and trailers may not continue.
    Answered,
    /// It was forwarded, and the gateway does not know it any more.
    Forwarded,
    /// It was forwarded, and the gateway may end it.
    Open,
}

impl State {
    /// Returns the state of a request that is forwarded, for whose response this is stored.
    fn forwarded(context: &ResponseContext) -> Self {
        match context.may_be_ended {
            true => Self::Open,
            false => Self::Forwarded,
        }
    }
}

/// What Envoy must do with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadStatus {
    /// Continue.
    Continue,
    /// Stop: there is a reply.
    Stop,
    /// Stop the request with its body until it is resumed. Its body must not resume it.
    Pause,
}

impl Stream {
    /// Creates a request on a worker thread.
    pub(crate) fn new(thread: Arc<Thread>) -> Stream {
        Stream {
            id: thread.next_stream(),
            thread,
            state: Cell::new(State::New),
            response: Cell::default(),
            callout: Cell::new(None),
            span: Cell::new(None),
        }
    }

    fn host<'a, E>(&'a self, envoy: &'a E) -> StreamHost<'a, E> {
        StreamHost {
            stream: self,
            envoy,
            decision: Cell::new(None),
        }
    }

    /// Handles the request's head, which must not be used after a change of the request's headers.
    pub(crate) fn on_request(&self, envoy: &impl EnvoyStream, head: RequestHead<'_>) -> HeadStatus {
        if !self.thread.take_secrets(envoy) {
            drop(head);
            return self.reject(
                envoy,
                &Rejection::new(
                    ErrorCode::NotReady,
                    "a secret of Envoy's secret discovery has not arrived",
                ),
            );
        }
        let action = self.thread.worker.on_request(&self.host(envoy), self.id, head);
        if action != Action::Pause && self.state.get() == State::Paused {
            // What the request was going to wait for has arrived in the meantime, or its callout could not be made.
            waiting::remove(self.id);
        }
        match action {
            Action::Continue(context) => {
                if context.may_be_ended {
                    waiting::add(self.id, envoy.wake());
                }
                self.state.set(State::forwarded(&context));
                self.response.set(context);
                HeadStatus::Continue
            }
            Action::Answered => {
                self.state.set(State::Answered);
                HeadStatus::Stop
            }
            Action::Pause => HeadStatus::Pause,
        }
    }

    /// Whether data and trailers of the request may continue.
    pub(crate) fn may_continue(&self) -> bool {
        matches!(self.state.get(), State::Forwarded | State::Open)
    }

    /// Handles the response to a callout.
    pub(crate) fn on_callout(&self, envoy: &impl EnvoyStream, number: u64, response: &ServerResponse) {
        let Some((_, callout)) = self.callout.take().filter(|(expected, _)| *expected == number) else {
            return;
        };
        match callout {
            Callout::Step { step, flight, started } => {
                if let Some(span) = self.span.take() {
                    span::note(&*span, response);
                }
                let took = configuration::now().saturating_sub(started);
                self.thread.metrics.record_step(envoy, step, took);
                let host = self.host(envoy);
                self.thread.worker.on_server_response(&host, flight, response);
                self.settle(&host);
            }
            // The configuration polls.
            Callout::EndedSessions => {}
        }
    }

    /// Handles what another request or thread has for this one.
    pub(crate) fn on_woken(&self, envoy: &impl EnvoyStream) {
        let host = self.host(envoy);
        match waiting::next(self.id) {
            Some(Task::Decide(decision)) => host.decision.set(Some(decision)),
            Some(Task::Learn(outcome)) => self.thread.worker.on_outcome(&host, self.id, &outcome),
            Some(Task::TakeOver) => self.thread.worker.take_over(&host, self.id),
            Some(Task::Reset) => {
                if self.state.get() == State::Open {
                    envoy.reset();
                }
                return;
            }
            None => {}
        }
        self.settle(&host);
    }

    /// If there is a decision on this request, carries it out.
    fn settle(&self, host: &StreamHost<'_, impl EnvoyStream>) {
        let Some(decision) = host.decision.take() else { return };
        if self.state.get() != State::Paused {
            return;
        }
        // Before the calls that may end the request.
        self.state.set(match &decision {
            Decision::Forward(forward) => {
                self.response.set(forward.context.clone());
                State::forwarded(&forward.context)
            }
            Decision::Reject(_) => State::Answered,
        });
        if self.state.get() != State::Open {
            waiting::remove(self.id);
        }
        if worker::carry_out(host, decision).is_some() {
            host.envoy.resume();
        }
    }

    /// Handles the head of the response.
    pub(crate) fn on_response(&self, envoy: &impl EnvoyStream) -> HeadStatus {
        let context = self.response.take();
        match self.thread.worker.on_response(&self.host(envoy), &context) {
            true => HeadStatus::Continue,
            false => HeadStatus::Stop,
        }
    }

    /// Handles the end of the request and its response, at which Envoy still has the request's span.
    pub(crate) fn on_complete(&self) {
        if let Some(span) = self.span.take() {
            span.set_tag("canceled", "true");
        }
    }

    /// Waits for nothing any more. If a callout was lost with this request, another request that waits for it takes
    /// over.
    fn leave(&self) {
        waiting::remove(self.id);
        if let Some(next) = self.thread.worker.on_stream_end(self.id) {
            waiting::add_task(next, Task::TakeOver);
        }
    }

    /// Answers with an error, after an internal error.
    pub(crate) fn fail(&self, envoy: &impl EnvoyStream, what: &'static str) -> HeadStatus {
        self.leave();
        self.reject(envoy, &Rejection::new(ErrorCode::ServerError, what))
    }

    fn reject(&self, envoy: &impl EnvoyStream, rejection: &Rejection) -> HeadStatus {
        self.state.set(State::Answered);
        self.thread.metrics.count_rejected(envoy, rejection.code);
        worker::reject(&self.host(envoy), rejection);
        HeadStatus::Stop
    }
}

/// The gateway must learn of the end of every request that is paused, since its caller may have disconnected, and of
/// every request that the gateway may end. Envoy is called here only through schedulers. The end of any other request takes
/// no lock that the workers share.
impl Drop for Stream {
    fn drop(&mut self) {
        if matches!(self.state.get(), State::Paused | State::Open) {
            self.leave();
        }
    }
}

/// Envoy in a hook of this request.
struct StreamHost<'a, E> {
    stream: &'a Stream,
    envoy: &'a E,
    /// The decision on this request, which is carried out at the end of the hook.
    decision: Cell<Option<Decision>>,
}

impl<E: RequestAttributes> RequestAttributes for StreamHost<'_, E> {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        self.envoy.peer_certificate()
    }

    fn route_metadata(&self, namespace: &str, name: &str) -> Option<Vec<u8>> {
        self.envoy.route_metadata(namespace, name)
    }
}

impl<E: EnvoyStream> Host for StreamHost<'_, E> {
    fn now(&self) -> Duration {
        configuration::now()
    }

    fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        self.envoy.log(level, message);
    }

    fn call_out(&self, request: &CalloutRequest<'_>, callout: Callout) -> bool {
        let step = match callout {
            Callout::Step { step, .. } => {
                self.stream.thread.metrics.count_step(self.envoy, step);
                step
            }
            Callout::EndedSessions => return false,
        };
        let (number, span) = span::call_out(self.envoy, step, request, |request| self.envoy.call_out(request));
        self.stream.callout.set(number.map(|number| (number, callout)));
        self.stream.span.set(span);
        number.is_some()
    }

    fn decide(&self, stream: StreamId, decision: Decision) {
        match stream == self.stream.id {
            true => self.decision.set(Some(decision)),
            false => waiting::add_task(stream, Task::Decide(decision)),
        }
    }

    fn reset(&self, stream: StreamId) {
        waiting::add_task(stream, Task::Reset);
    }

    fn share(&self, stream: StreamId, outcome: Arc<TokenOutcome>) {
        waiting::add_task(stream, Task::Learn(outcome));
    }

    fn take_over(&self, stream: StreamId) {
        waiting::add_task(stream, Task::TakeOver);
    }
}

impl<E: EnvoyStream> RequestHost for StreamHost<'_, E> {
    fn prepare_to_wait(&self, stream: StreamId) {
        self.stream.state.set(State::Paused);
        waiting::add(stream, self.envoy.wake());
    }

    fn count(&self, rejection: Option<&Rejection>) {
        // Before the lock, which the main thread takes too.
        let route = self.envoy.route_name();
        self.stream.thread.counts().add(route, rejection);
    }

    fn mutate_request_headers(&self, mutations: &HeaderMutations) {
        self.envoy.mutate_request_headers(mutations);
    }

    fn reply(&self, reply: &LocalReply<'_>) {
        self.envoy.reply(reply);
    }

    fn add_private(&self) {
        self.envoy.add_private();
    }
}
