//! A document that is fetched once for all callers, cached, and fetched again, never by two fetches at a time.

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

/// The last valid document, shared by all workers.
pub struct Cached<T> {
    slot: RwLock<Slot<T>>,
    /// Held during a fetch.
    turn: tokio::sync::Mutex<()>,
}

struct Slot<T> {
    value: Option<Arc<T>>,
    /// The error of the last attempt, if it failed.
    error: Option<String>,
    /// Number of completed attempts.
    attempts: u64,
}

impl<T> Cached<T> {
    /// Starts with this document, if any.
    pub fn new(value: Option<T>) -> Cached<T> {
        let slot = Slot {
            value: value.map(Arc::new),
            error: None,
            attempts: 0,
        };
        Cached {
            slot: RwLock::new(slot),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// The cached document, if any.
    pub fn get(&self) -> Option<Arc<T>> {
        self.read(|slot| slot.value.clone())
    }

    /// The cached document, which is fetched if there is none.
    ///
    /// # Errors
    /// The error of the fetch, also if another caller made it.
    pub async fn get_or_fetch<F>(&self, fetch: impl FnOnce() -> F) -> Result<Arc<T>, String>
    where
        F: Future<Output = Result<T, String>>,
    {
        match self.get() {
            Some(value) => Ok(value),
            None => self.fetch(fetch).await,
        }
    }

    /// Fetches the document again. A caller during a fetch waits for its result, success or failure, and does not start
    /// another one: an authorization server that is down must not get one request after the other, each until its timeout.
    /// After a failure, the previous document stays.
    ///
    /// # Errors
    /// The error of the fetch, also if another caller made it.
    pub async fn fetch<F>(&self, fetch: impl FnOnce() -> F) -> Result<Arc<T>, String>
    where
        F: Future<Output = Result<T, String>>,
    {
        let attempts = self.read(|slot| slot.attempts);
        let _turn = self.turn.lock().await;
        if self.read(|slot| slot.attempts) == attempts {
            // Boxed: the future is large and rarely needed, and would be part of every future that may need it.
            let result = Box::pin(fetch()).await;
            let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
            slot.attempts = slot.attempts.wrapping_add(1);
            match result {
                Ok(value) => {
                    slot.value = Some(Arc::new(value));
                    slot.error = None;
                }
                Err(error) => slot.error = Some(error),
            }
        }
        self.read(|slot| match (&slot.error, &slot.value) {
            (None, Some(value)) => Ok(Arc::clone(value)),
            (error, _) => Err(error.clone().unwrap_or_default()),
        })
    }

    fn read<R>(&self, what: impl FnOnce(&Slot<T>) -> R) -> R {
        what(&self.slot.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn many_at_once_fetch_once() {
        let (cached, fetches, gate) = (Cached::<u32>::new(None), Cell::new(0), Semaphore::new(0));
        let fetch = || async {
            fetches.set(fetches.get() + 1);
            gate.acquire().await.map_err(|error| error.to_string())?.forget();
            Ok(7)
        };
        let (first, second, third, ()) = tokio::join!(
            cached.get_or_fetch(fetch),
            cached.get_or_fetch(fetch),
            cached.get_or_fetch(fetch),
            async { gate.add_permits(1) },
        );
        assert_eq!([*first.unwrap(), *second.unwrap(), *third.unwrap()], [7; 3]);
        assert_eq!(fetches.get(), 1);
    }

    #[tokio::test]
    async fn those_who_wait_share_a_failure_and_the_next_one_tries_again() {
        let (cached, fetches) = (Cached::<u32>::new(None), Cell::new(0));
        let fail = || async {
            fetches.set(fetches.get() + 1);
            tokio::task::yield_now().await;
            Err("down".to_owned())
        };
        let (first, second) = tokio::join!(cached.get_or_fetch(fail), cached.get_or_fetch(fail));
        assert_eq!((first, second), (Err("down".to_owned()), Err("down".to_owned())));
        assert_eq!(fetches.get(), 1);
        assert_eq!(*cached.get_or_fetch(|| async { Ok(8) }).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_failed_fetch_keeps_what_was_there() {
        let cached = Cached::new(Some(1));
        assert!(cached.fetch(|| async { Err("down".to_owned()) }).await.is_err());
        assert_eq!(cached.get().as_deref(), Some(&1));
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_leaves_the_turn_to_the_next() {
        let cached = Cached::<u32>::new(None);
        {
            let abandoned = cached.get_or_fetch(std::future::pending);
            let mut abandoned = std::pin::pin!(abandoned);
            tokio::select! {
                biased;
                _ = &mut abandoned => unreachable!("the abandoned fetch completed"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(*cached.get_or_fetch(|| async { Ok(2) }).await.unwrap(), 2);
    }
}
