//! Figures of many requests: percentiles within a time, and what the number of introspections should be.

use std::time::Duration;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A call of the API.
    Api,
    /// `POST /refresh`.
    Refresh,
    /// `GET /session`.
    Session,
    /// A request of a sign-in.
    SignIn,
}

impl Kind {
    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::Refresh => "refresh",
            Self::Session => "session",
            Self::SignIn => "sign-in",
        }
    }
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) kind: Kind,
    /// Its beginning, since that of the pass.
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    /// 0: no response.
    pub(crate) status: u16,
}

/// The requests of a kind within a time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    /// Successful ones.
    pub(crate) count: usize,
    /// Those with HTTP 401: an access token that has expired.
    pub(crate) unauthorized: usize,
    /// Those without a response, and those with any other.
    pub(crate) failed: usize,
    /// The median of the successful ones, in milliseconds.
    pub(crate) p50: f64,
    /// Their 99th percentile, in milliseconds.
    pub(crate) p99: f64,
}

impl Summary {
    /// Those that began at `from` or later, and before `to`.
    pub(crate) fn of(samples: &[Sample], kind: Kind, from: Duration, to: Duration) -> Self {
        let mut summary = Self::default();
        let mut times = Vec::new();
        for sample in samples {
            if sample.kind != kind || sample.at < from || sample.at >= to {
                continue;
            }
            match sample.status {
                200..=299 => times.push(sample.took.as_secs_f64() * 1000.0),
                401 => summary.unauthorized += 1,
                _ => summary.failed += 1,
            }
        }
        times.sort_by(f64::total_cmp);
        summary.count = times.len();
        summary.p50 = percentile(&times, 0.5);
        summary.p99 = percentile(&times, 0.99);
        summary
    }
}

/// A percentile of sorted values, 0 if there are none.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index).or(sorted.last()).copied().unwrap_or(0.0)
}

/// The number of different Envoys that this many connections reach on average, if each goes to any of `envoys`: the number
/// of introspections of a token that is used on these connections, since the workers of an Envoy share the responses.
pub(crate) fn envoys_reached(envoys: f64, connections: f64) -> f64 {
    envoys * (1.0 - (1.0 - 1.0 / envoys).powf(connections))
}

/// The same for tokens of which only the average number of connections is known, if that number is distributed
/// geometrically: most tokens have few connections. It is less than either number, whatever the other.
pub(crate) fn envoys_reached_on_average(envoys: f64, connections: f64) -> f64 {
    envoys * connections / (envoys + connections - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connection_reaches_one_envoy_and_many_reach_all() {
        assert!((envoys_reached(8.0, 1.0) - 1.0).abs() < 1e-9);
        assert!((envoys_reached(8.0, 1000.0) - 8.0).abs() < 1e-9);
        assert!((envoys_reached(2.0, 2.0) - 1.5).abs() < 1e-9);
    }

    #[test]
    fn the_average_is_that_of_the_geometric_distribution() {
        let (envoys, connections): (f64, f64) = (8.0, 2.5);
        let ends = 1.0 / connections;
        let share = |k: i32| ends * (1.0 - ends).powi(k - 1);
        let sum: f64 = (1..500).map(|k| share(k) * envoys_reached(envoys, f64::from(k))).sum();
        assert!((envoys_reached_on_average(envoys, connections) - sum).abs() < 1e-9);
    }

    #[test]
    fn a_summary_has_only_what_began_in_its_time() {
        let sample = |at: u64, took: u64, status| Sample {
            kind: Kind::Api,
            at: Duration::from_secs(at),
            took: Duration::from_millis(took),
            status,
        };
        let samples = [
            sample(1, 5, 200),
            sample(2, 7, 200),
            sample(2, 1, 401),
            sample(3, 9, 502),
            sample(9, 99, 200),
        ];
        let summary = Summary::of(&samples, Kind::Api, Duration::from_secs(1), Duration::from_secs(9));
        assert_eq!((summary.count, summary.unauthorized, summary.failed), (2, 1, 1));
        assert!((summary.p99 - 7.0).abs() < 1e-9);
    }
}
