//! A thread that wakes every configuration twice a second: Envoy has no timer for the HTTP filters of modules.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::envoy::Wake;

/// Period of a configuration's ticks.
const TICK: Duration = Duration::from_millis(500);

static CONFIGURATIONS: Mutex<Vec<(u64, Arc<dyn Wake>)>> = Mutex::new(Vec::new());
static LAST: AtomicU64 = AtomicU64::new(0);
/// Whether the thread could be started, or the error. It runs as long as the process: the library is never unloaded.
static THREAD: OnceLock<Result<(), String>> = OnceLock::new();

/// Ticks of a configuration, until it is dropped.
pub(crate) struct Ticks(u64);

fn configurations() -> MutexGuard<'static, Vec<(u64, Arc<dyn Wake>)>> {
    CONFIGURATIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ticks {
    /// Begins to tick, at once and then twice a second.
    ///
    /// # Errors
    /// The thread cannot be started: the operating system's error.
    pub(crate) fn start(wake: Arc<dyn Wake>) -> Result<Ticks, &'static str> {
        let thread = THREAD.get_or_init(|| {
            let thread = std::thread::Builder::new().name("bff-ticks".to_owned());
            thread.spawn(run).map(drop).map_err(|error| error.to_string())
        });
        thread.as_ref().map_err(String::as_str)?;
        wake.wake();
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        configurations().push((number, wake));
        Ok(Ticks(number))
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        // Its scheduler is deleted outside of the lock.
        let mut removed = Vec::new();
        {
            let mut all = configurations();
            if let Some(index) = all.iter().position(|(number, _)| *number == self.0) {
                removed.push(all.swap_remove(index));
            }
        }
        drop(removed);
    }
}

fn run() {
    loop {
        std::thread::sleep(TICK);
        // Not under the lock: Envoy may drop the last reference to a configuration on this thread, inside `wake`, which
        // removes it from the list.
        let all: Vec<_> = configurations().iter().map(|(_, wake)| Arc::clone(wake)).collect();
        all.iter().for_each(|wake| wake.wake());
    }
}
