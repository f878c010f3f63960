//! How busy the processors are, by Linux's `/proc/stat`.

use std::time::{Duration, Instant};

/// The time over which the processors are observed: longer than a program takes to start.
const WINDOW: Duration = Duration::from_secs(2);
/// The minimum idle share of all processors at which another job may start.
const MIN_IDLE: f64 = 0.2;

/// Observes the processors.
pub(crate) struct Processors {
    since: Instant,
    times: Option<Times>,
}

/// Times since the machine started, in the kernel's unit.
#[derive(Clone, Copy)]
struct Times {
    idle: u64,
    all: u64,
}

impl Processors {
    pub(crate) fn new() -> Processors {
        Processors {
            since: Instant::now(),
            times: Times::now(),
        }
    }

    /// Whether the processors were idle enough for another job during the last window. True at most once in each window, so
    /// that the next window includes the load of the new job. `false` if the times are unknown.
    pub(crate) fn had_room(&mut self) -> bool {
        if self.since.elapsed() < WINDOW {
            return false;
        }
        let (before, now) = (self.times, Times::now());
        *self = Processors {
            since: Instant::now(),
            times: now,
        };
        before.zip(now).is_some_and(|(before, now)| {
            let idle = now.idle.saturating_sub(before.idle) as f64;
            let all = now.all.saturating_sub(before.all) as f64;
            idle >= MIN_IDLE * all
        })
    }
}

impl Times {
    fn now() -> Option<Times> {
        Times::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line: `cpu`, user, nice, system, idle, iowait, and others.
    fn parse(stat: &str) -> Option<Times> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let times: Vec<u64> = line
            .split_ascii_whitespace()
            .map_while(|time| time.parse().ok())
            .collect();
        Some(Times {
            idle: times.get(3)?.saturating_add(*times.get(4)?),
            // The first times include those of guests, which are at the end.
            all: times.iter().take(8).sum(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_all_processors_are_read() {
        let stat = "cpu  100 1 50 800 20 0 5 24 3 0\ncpu0 50 1 25 400 10 0 3 12 3 0\n";
        let times = Times::parse(stat).unwrap();
        assert_eq!((times.idle, times.all), (820, 1000));
        for other in ["", "cpu\n", "cpu0 1 2 3 4 5", "cpu  1 2 3"] {
            assert!(Times::parse(other).is_none(), "{other}");
        }
    }
}
