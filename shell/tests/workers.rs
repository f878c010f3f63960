//! Several workers with one memory, in a simulated proxy with a clock of its own: whichever requests end at whichever moment,
//! every other one is decided, with its own token, and none waits a second longer than the time limit of an introspection.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::{RequestAttributes, StreamId};
use bff_core::gateway::authorization_server::ServerResponse;
use bff_core::gateway::config::Config;
use bff_core::gateway::effect::Decision;
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_core::gateway::single_flight::FlightId;
use bff_core::gateway::token_memory::TokenMemory;
use bff_core::gateway::token_state::TokenOutcome;
use bff_core::request::head::RequestHead;
use bff_shell::host::{Callout, CalloutRequest, Host, Level, RequestHost};
use bff_shell::local_reply::LocalReply;
use bff_shell::worker::{Action, Worker};
use proptest::prelude::*;

const START_MS: u64 = 1_800_000_000_000;
const LIMIT_MS: u64 = 2000;
const TICK_MS: u64 = 500;

/// What happens at a moment.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Request(StreamId),
    /// The client of the request leaves.
    Leave(StreamId),
    /// A message for the request may have arrived.
    Woken(StreamId),
    /// The response to a callout of this number, or the end of its time limit.
    Response(u64),
    Tick(usize),
}

/// What a request has for another one.
enum Message {
    Decide(Decision),
    Learn(Arc<TokenOutcome>),
    TakeOver,
}

/// One request of a case.
#[derive(Clone, Debug)]
struct Plan {
    at_ms: u64,
    worker: usize,
    token: usize,
    /// After this time, its client leaves, if it still waits.
    leaves_after_ms: Option<u64>,
}

/// How the authorization server responds to a callout.
#[derive(Clone, Copy, Debug)]
struct Server {
    /// Not before the time limit: never.
    after_ms: u64,
    active: bool,
}

struct Proxy {
    workers: Vec<Worker>,
    plans: Vec<Plan>,
    servers: Vec<Server>,
    now_ms: Cell<u64>,
    events: RefCell<BinaryHeap<Reverse<(u64, u64, Event)>>>,
    order: Cell<u64>,
    /// The requests that can be woken, and what others have for them.
    waiting: RefCell<BTreeMap<StreamId, Vec<Message>>>,
    /// By number: the request, the worker and the flight.
    callouts: RefCell<BTreeMap<u64, (StreamId, FlightId)>>,
    made: Cell<usize>,
    /// When each request was decided, and with what `Authorization`; `None`: it was rejected.
    decided: RefCell<BTreeMap<StreamId, (u64, Option<String>)>>,
}

/// The proxy in a hook, of a request if it has one.
struct Hook<'a> {
    proxy: &'a Proxy,
    stream: Option<StreamId>,
    forwarded: RefCell<Option<String>>,
    decision: Cell<Option<Decision>>,
}

impl Proxy {
    fn after(&self, ms: u64, event: Event) {
        self.order.set(self.order.get() + 1);
        let at = self.now_ms.get() + ms;
        self.events.borrow_mut().push(Reverse((at, self.order.get(), event)));
    }

    /// The next event, and its time.
    fn next(&self) -> Option<(u64, Event)> {
        let Reverse((at, _, event)) = self.events.borrow_mut().pop()?;
        Some((at, event))
    }

    fn hook(&self, stream: Option<StreamId>) -> Hook<'_> {
        Hook {
            proxy: self,
            stream,
            forwarded: RefCell::default(),
            decision: Cell::new(None),
        }
    }

    fn plan(&self, stream: StreamId) -> &Plan {
        &self.plans[usize::try_from(stream).expect("an index")]
    }

    fn worker(&self, stream: StreamId) -> &Worker {
        &self.workers[self.plan(stream).worker]
    }

    fn tell(&self, stream: StreamId, message: Message) {
        if let Some(messages) = self.waiting.borrow_mut().get_mut(&stream) {
            messages.push(message);
            // It is on another thread.
            self.after(self.order.get() % 4, Event::Woken(stream));
        }
    }

    /// Carries out the decision on the hook's request.
    fn settle(&self, hook: &Hook<'_>) {
        let (Some(stream), Some(decision)) = (hook.stream, hook.decision.take()) else {
            return;
        };
        bff_shell::worker::carry_out(hook, decision);
        self.end(hook, stream);
    }

    fn end(&self, hook: &Hook<'_>, stream: StreamId) {
        self.waiting.borrow_mut().remove(&stream);
        let end = (self.now_ms.get(), hook.forwarded.take());
        assert!(self.decided.borrow_mut().insert(stream, end).is_none(), "a second end");
    }

    fn run(&self, event: Event) {
        match event {
            Event::Request(stream) => {
                let hook = self.hook(Some(stream));
                let token = format!("Bearer token-{}", self.plan(stream).token);
                let head = [
                    (&b":method"[..], &b"GET"[..]),
                    (b":path", b"/"),
                    (b"authorization", token.as_bytes()),
                ];
                match self.worker(stream).on_request(&hook, stream, RequestHead::new(head)) {
                    Action::Continue(_) | Action::Answered => self.end(&hook, stream),
                    Action::Pause => {
                        if let Some(ms) = self.plan(stream).leaves_after_ms {
                            self.after(ms, Event::Leave(stream));
                        }
                    }
                }
            }
            Event::Leave(stream) => {
                if self.waiting.borrow_mut().remove(&stream).is_none() {
                    return;
                }
                // Its callouts end with it.
                self.callouts.borrow_mut().retain(|_, (owner, _)| *owner != stream);
                if let Some(next) = self.worker(stream).on_stream_end(stream) {
                    self.tell(next, Message::TakeOver);
                }
            }
            Event::Woken(stream) => {
                let message = match self.waiting.borrow_mut().get_mut(&stream) {
                    Some(messages) if !messages.is_empty() => messages.remove(0),
                    _ => return,
                };
                let hook = self.hook(Some(stream));
                match message {
                    Message::Decide(decision) => hook.decision.set(Some(decision)),
                    Message::Learn(outcome) => self.worker(stream).on_outcome(&hook, stream, &outcome),
                    Message::TakeOver => self.worker(stream).take_over(&hook, stream),
                }
                self.settle(&hook);
            }
            Event::Response(number) => {
                let Some((stream, flight)) = self.callouts.borrow_mut().remove(&number) else {
                    return;
                };
                let server = self.servers[usize::try_from(number).expect("an index") % self.servers.len()];
                let http = |status, body: String| ServerResponse::Http {
                    status,
                    content_type: b"application/json".to_vec(),
                    cache_control: Vec::new(),
                    body: Some(body.into_bytes()),
                };
                let response = match (server.after_ms < LIMIT_MS, server.active) {
                    (false, _) => http(504, String::new()),
                    (true, false) => http(200, r#"{"active": false}"#.to_owned()),
                    (true, true) => {
                        let token = self.plan(stream).token;
                        http(
                            200,
                            format!(r#"{{"active": true, "sub": "user-{token}", "exp": 4000000000}}"#),
                        )
                    }
                };
                let hook = self.hook(Some(stream));
                self.worker(stream).on_server_response(&hook, flight, &response);
                self.settle(&hook);
            }
            Event::Tick(worker) => {
                self.workers[worker].on_tick(&self.hook(None));
                self.after(TICK_MS, Event::Tick(worker));
            }
        }
    }
}

impl RequestAttributes for Hook<'_> {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        None
    }

    fn route_metadata(&self, _: &str, _: &str) -> Option<Vec<u8>> {
        None
    }
}

impl Host for Hook<'_> {
    fn now(&self) -> Duration {
        Duration::from_millis(self.proxy.now_ms.get())
    }

    fn log(&self, _: Level, _: fmt::Arguments<'_>) {}

    fn call_out(&self, _: &CalloutRequest<'_>, callout: Callout) -> bool {
        let Callout::Step { flight, .. } = callout else {
            return false;
        };
        let stream = self.stream.expect("an introspection belongs to a request");
        let number = self.proxy.made.get();
        self.proxy.made.set(number + 1);
        let after = self.proxy.servers[number % self.proxy.servers.len()].after_ms;
        let number = u64::try_from(number).expect("a small number");
        self.proxy.callouts.borrow_mut().insert(number, (stream, flight));
        self.proxy.after(after.min(LIMIT_MS), Event::Response(number));
        true
    }

    fn decide(&self, stream: StreamId, decision: Decision) {
        match self.stream == Some(stream) {
            true => self.decision.set(Some(decision)),
            false => self.proxy.tell(stream, Message::Decide(decision)),
        }
    }

    fn reset(&self, _: StreamId) {
        panic!("no stream is ended here");
    }

    fn share(&self, stream: StreamId, outcome: Arc<TokenOutcome>) {
        self.proxy.tell(stream, Message::Learn(outcome));
    }

    fn take_over(&self, stream: StreamId) {
        self.proxy.tell(stream, Message::TakeOver);
    }
}

impl RequestHost for Hook<'_> {
    fn prepare_to_wait(&self, stream: StreamId) {
        self.proxy.waiting.borrow_mut().insert(stream, Vec::new());
    }

    fn mutate_request_headers(&self, mutations: &HeaderMutations) {
        let mut set = mutations.headers_to_set();
        let value = set.find(|(name, _)| *name == "x-sub").map(|(_, value)| value.to_vec());
        self.forwarded
            .replace(value.map(|value| String::from_utf8(value).expect("UTF-8")));
    }

    fn reply(&self, _: &LocalReply<'_>) {}

    fn add_private(&self) {}
}

fn config() -> Config {
    let text = br#"{"phantom_token": {"introspection_endpoint": "https://login.example.com/introspect", "cluster": "c",
        "client_id": "gateway", "client_secret": {"inline": "a secret"}, "response": "claims",
        "claim_to_headers": [{"header_name": "x-sub", "claim_name": "sub"}]}}"#;
    Config::parse(text, |_| None).expect("a configuration")
}

fn simulate(workers: usize, plans: Vec<Plan>, servers: Vec<Server>) {
    let config = config();
    let memory = TokenMemory::of_process(config.phantom_token.as_ref().expect("a stage"));
    let worker = |_| {
        let gateway = Gateway::with_memory(config.clone(), |_| Arc::clone(&memory));
        Worker::new(gateway, &config)
    };
    let proxy = Proxy {
        workers: (0..workers).map(worker).collect(),
        plans,
        servers,
        now_ms: Cell::new(START_MS),
        events: RefCell::default(),
        order: Cell::new(0),
        waiting: RefCell::default(),
        callouts: RefCell::default(),
        made: Cell::new(0),
        decided: RefCell::default(),
    };
    for worker in 0..workers {
        proxy.after(0, Event::Tick(worker));
    }
    let mut last = 0;
    for (stream, plan) in proxy.plans.iter().enumerate() {
        proxy.after(
            plan.at_ms,
            Event::Request(StreamId::try_from(stream).expect("a small number")),
        );
        last = last.max(plan.at_ms);
    }
    let end = START_MS + last + LIMIT_MS + 3 * TICK_MS;
    while let Some((at, event)) = proxy.next() {
        if at > end {
            break;
        }
        proxy.now_ms.set(at);
        proxy.run(event);
    }
    assert!(proxy.waiting.borrow().is_empty(), "requests wait for ever");
    for (stream, (at, forwarded)) in proxy.decided.borrow().iter() {
        let plan = proxy.plan(*stream);
        let waited = at - START_MS - plan.at_ms;
        assert!(waited <= LIMIT_MS + 1000, "request {stream} has waited for {waited} ms");
        if let Some(subject) = forwarded {
            assert_eq!(*subject, format!("user-{}", plan.token), "another user's token");
        }
    }
}

fn plan(workers: usize) -> impl Strategy<Value = Plan> {
    let leaves = prop_oneof![3 => (0u64..2600).prop_map(Some), 2 => Just(None)];
    (0u64..3000, 0..workers, 0usize..2, leaves).prop_map(|(at_ms, worker, token, leaves_after_ms)| Plan {
        at_ms,
        worker,
        token,
        leaves_after_ms,
    })
}

fn server() -> impl Strategy<Value = Server> {
    (0u64..2400, prop::bool::weighted(0.8)).prop_map(|(after_ms, active)| Server { after_ms, active })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn a_leader_that_ends_at_any_step_takes_nobody_along_and_nobody_waits_for_longer_than_the_limit_and_a_second(
        plans in prop::collection::vec(plan(4), 1..24),
        servers in prop::collection::vec(server(), 1..6),
    ) {
        simulate(4, plans, servers);
    }
}
