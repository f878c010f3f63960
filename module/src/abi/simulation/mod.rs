//! A simulated Envoy, for tests under sanitizers: it has the functions that the module calls, except those for secrets, on
//! real threads, and destroys requests and configurations when and where Envoy does. It forwards nothing: a test says what is
//! behind it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unreachable,
    reason = "a test that panics has failed, which is what it is for"
)]

/// Functions of Envoy, by the names that the module looks up.
macro_rules! symbols {
    ($(fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {
        $(#[unsafe(export_name = concat!("envoy_dynamic_module_callback_", stringify!($name)))]
        unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? $body)*
    };
}

mod config;
mod dispatcher;
mod filter;
mod head;
mod hooks;
mod metrics;
mod process;
mod request;
mod server;
mod spans;
mod symbols;

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use self::config::Config;
pub(crate) use self::config::Kind;
use self::dispatcher::{Dispatcher, Name};
use self::filter::Filter;
pub(crate) use self::head::Head;
pub(crate) use self::process::Version;
use self::process::{Counts, Held, Process};
pub(crate) use self::request::{Fault, Outcome, Plan, Request, Upstream};
pub(crate) use self::server::{Callout, CalloutPlan, Gate, When};
pub(crate) use self::spans::FinishedSpan;

/// A simulated Envoy.
pub(crate) struct Envoy {
    process: Arc<Process>,
    workers: Vec<JoinHandle<()>>,
    main: Option<JoinHandle<()>>,
}

/// A place at which Envoy has the filter. When it is dropped, Envoy uses the configuration for no new request.
pub(crate) struct Place {
    config: Option<Arc<Config>>,
}

/// A worker thread that runs no event until this is dropped.
pub(crate) struct Blocked(Option<mpsc::Sender<()>>);

impl Envoy {
    /// Starts an Envoy with this number of worker threads. `server` chooses the responses to callouts.
    pub(crate) fn start(
        version: Version,
        workers: usize,
        server: impl Fn(&Callout) -> CalloutPlan + Send + Sync + 'static,
    ) -> Envoy {
        // SAFETY: the module returns a string that lives as long as the program.
        let abi = unsafe { CStr::from_ptr(hooks::program_init()) };
        assert_eq!(abi, c"v0.1.0");
        let process = Arc::new(Process {
            version,
            validates: AtomicBool::new(false),
            held: Held::default(),
            main: Dispatcher::new(Name::Main),
            workers: (0..workers).map(|index| Dispatcher::new(Name::Worker(index))).collect(),
            server: Box::new(server),
            counts: Counts::default(),
            lines: Mutex::default(),
            spans: Mutex::default(),
        });
        let thread = |dispatcher: &Arc<Dispatcher>| {
            let (process, dispatcher) = (Arc::clone(&process), Arc::clone(dispatcher));
            std::thread::spawn(move || {
                process::enter(&process);
                dispatcher.run(filter::leave_all);
                process::exit();
            })
        };
        Envoy {
            workers: process.workers.iter().map(thread).collect(),
            main: Some(thread(&process.main)),
            process,
        }
    }

    /// Envoy only validates configurations from now on.
    pub(crate) fn validate(&self) {
        self.process.validates.store(true, Ordering::SeqCst);
    }

    /// Waits until the thread of the module that wakes configurations is in a call, which it leaves with the last count of the
    /// configuration.
    pub(crate) fn hold_the_thread_of_the_module(&self) {
        let Held { is_wanted, is_held } = &self.process.held;
        is_wanted.store(true, Ordering::SeqCst);
        while !is_held.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Creates a configuration; `None` if the module rejects it.
    pub(crate) fn configure(&self, text: &str) -> Option<Place> {
        let (process, text) = (Arc::clone(&self.process), text.to_owned());
        let config = self.process.main.call(move || Config::create(&process, &text));
        config.map(|config| Place { config: Some(config) })
    }

    /// Sends a request.
    pub(crate) fn send(&self, place: &Place, plan: Plan) -> Arc<Request> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let worker = &self.process.workers[plan.worker];
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let request = Request::new(number, plan, Arc::clone(worker));
        let (config, started) = (Arc::clone(place.config()), Arc::clone(&request));
        worker.post(move || Filter::start(config, started));
        request
    }

    /// Lets a configuration have a tick before its time, and waits for its end.
    pub(crate) fn tick(&self, place: &Place) {
        let config = Arc::clone(place.config());
        self.process.main.call(move || config.scheduled(0));
    }

    /// Blocks a worker thread when it has run the events that wait.
    pub(crate) fn block(&self, worker: usize) -> Blocked {
        let (sender, receiver) = mpsc::channel::<()>();
        self.process.workers[worker].post(move || receiver.recv().unwrap_or_default());
        Blocked(Some(sender))
    }

    /// Waits until a thread has nothing to do, each in turn: events that they post to each other may be on the way.
    pub(crate) fn wait_until_idle(&self) {
        self.process.main.wait_until_idle();
        for worker in &self.process.workers {
            worker.wait_until_idle();
        }
    }

    /// Waits until a worker thread has nothing to do.
    pub(crate) fn wait_until_worker_is_idle(&self, worker: usize) {
        self.process.workers[worker].wait_until_idle();
    }

    /// Returns the number of scheduled events whose requests had ended when they came.
    pub(crate) fn undelivered(&self) -> usize {
        self.process.counts.undelivered.load(Ordering::SeqCst)
    }

    /// Returns the number of schedulers of the module.
    pub(crate) fn schedulers(&self) -> usize {
        self.process.counts.schedulers.load(Ordering::SeqCst)
    }

    /// Returns the number of configurations that have not been destroyed.
    pub(crate) fn configurations(&self) -> usize {
        self.process.counts.configurations.load(Ordering::SeqCst)
    }

    /// Returns the lines of the log.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.process
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the spans of the module that it has finished.
    pub(crate) fn spans(&self) -> Vec<FinishedSpan> {
        self.process
            .spans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Exits as Envoy does: first the workers with their requests, then the main thread with the configurations. Panics if the
    /// module holds something of this Envoy.
    pub(crate) fn exit(mut self, places: Vec<Place>) {
        self.end_workers();
        drop(places);
        self.process.main.wait_until_idle();
        let Counts {
            schedulers,
            filters,
            configurations,
            spans,
            ..
        } = &self.process.counts;
        let left = || [schedulers, filters, configurations, spans].map(|count| count.load(Ordering::SeqCst));
        // The thread that ticks may hold a scheduler until its turn has ended.
        for _ in 0..30_000 {
            if left() == [0; 4] {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!(
            "the module holds {:?} schedulers, requests, configurations and spans",
            left()
        );
    }

    fn end_workers(&mut self) {
        for worker in &self.process.workers {
            worker.end();
        }
        for thread in self.workers.drain(..) {
            thread.join().expect("a worker thread");
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.end_workers();
        self.process.main.end();
        if let Some(thread) = self.main.take() {
            thread.join().expect("the main thread");
        }
    }
}

impl Place {
    fn config(&self) -> &Arc<Config> {
        self.config.as_ref().expect("it is dropped once")
    }

    /// Returns what was reported of a metric.
    pub(crate) fn sum(&self, kind: Kind, name: &str) -> i64 {
        self.config().sum(kind, name)
    }

    /// Returns what was reported of a counter with labels: values and sum.
    pub(crate) fn labelled(&self, name: &str) -> Vec<(Vec<String>, i64)> {
        self.config().labelled(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(config) = self.config.take() {
            let process = Arc::clone(&config.process);
            process.main.post(move || drop(config));
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}
