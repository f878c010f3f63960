//! A thread of Envoy: events in the order in which they were posted, and what is deleted after each.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};

pub(super) type Event = Box<dyn FnOnce() + Send>;

/// Which thread of Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Main,
    Worker(usize),
}

thread_local! {
    static NAME: RefCell<Option<Name>> = const { RefCell::new(None) };
    /// What is deleted when the present event has ended.
    static DEFERRED: RefCell<VecDeque<Box<dyn FnOnce()>>> = const { RefCell::new(VecDeque::new()) };
}

/// Panics if the present thread is another one.
pub(super) fn assert_on(name: Name) {
    NAME.with_borrow(|here| assert_eq!(*here, Some(name), "a call on a wrong thread"));
}

/// Deletes something when the present event has ended.
pub(super) fn defer(delete: impl FnOnce() + 'static) {
    DEFERRED.with_borrow_mut(|deferred| deferred.push_back(Box::new(delete)));
}

fn delete_deferred() {
    while let Some(delete) = DEFERRED.with_borrow_mut(VecDeque::pop_front) {
        delete();
    }
}

pub(super) struct Dispatcher {
    pub(super) name: Name,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    is_running: bool,
    has_ended: bool,
}

impl Dispatcher {
    pub(super) fn new(name: Name) -> Arc<Dispatcher> {
        Arc::new(Dispatcher {
            name,
            queue: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Posts an event, from any thread. After the end of this thread it is dropped.
    pub(super) fn post(&self, event: impl FnOnce() + Send + 'static) {
        let mut queue = self.queue();
        if queue.has_ended {
            // Dropping an event may call the module.
            drop(queue);
            return;
        }
        queue.events.push_back(Box::new(event));
        self.changed.notify_all();
    }

    /// Runs an event and waits for its result.
    pub(super) fn call<T: Send + 'static>(&self, event: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = mpsc::channel();
        self.post(move || {
            // The caller waits.
            let _ = sender.send(event());
        });
        receiver.recv().expect("the thread has not ended")
    }

    /// Waits until no event runs or waits.
    pub(super) fn wait_until_idle(&self) {
        let mut queue = self.queue();
        while queue.is_running || !queue.events.is_empty() {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends this thread after the present event. Those that wait are dropped, as when Envoy exits.
    pub(super) fn end(&self) {
        self.queue().has_ended = true;
        self.changed.notify_all();
    }

    /// Runs events on the present thread until the end, and `last` then.
    pub(super) fn run(&self, last: impl FnOnce()) {
        let _abort = AbortInPanic;
        NAME.set(Some(self.name));
        while let Some(event) = self.next() {
            event();
            delete_deferred();
        }
        last();
        delete_deferred();
        let rest = std::mem::take(&mut self.queue().events);
        drop(rest);
    }

    fn next(&self) -> Option<Event> {
        let mut queue = self.queue();
        queue.is_running = false;
        loop {
            if queue.has_ended {
                return None;
            }
            if let Some(event) = queue.events.pop_front() {
                queue.is_running = true;
                return Some(event);
            }
            self.changed.notify_all();
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The tests would wait for a thread that has panicked.
struct AbortInPanic;

impl Drop for AbortInPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
