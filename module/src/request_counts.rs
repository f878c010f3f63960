//! What became of requests, by route: counted on the worker threads, and reported by the main thread. To change a metric with
//! labels costs Envoy a search by its name and values, which no request should wait for.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use bff_core::gateway::rejection::Rejection;
use bff_shell::local_reply::reason;

use crate::envoy::{Envoy, EnvoyConfiguration, LabelledId};

/// Envoy stores a metric for each route as long as it has the filter's configuration, and routes may get other names meanwhile.
/// Those beyond this number are counted together.
const MAX_ROUTES: usize = 1_000;
/// The label of those routes.
const OTHER_ROUTES: &str = "other";
/// The label of a route without a name, and the reason of a request that is forwarded: as in Envoy's access log.
const NONE: &str = "-";

/// What became of a request: the labels `outcome` and `reason`, both from fixed lists in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Labels {
    outcome: &'static str,
    details: &'static str,
}

impl Labels {
    fn new(rejection: Option<&Rejection>) -> Labels {
        rejection.map_or(
            Labels {
                outcome: "forwarded",
                details: NONE,
            },
            |rejection| Labels {
                outcome: rejection.code.code(),
                details: rejection.details,
            },
        )
    }
}

/// The requests of a worker thread since the last report.
#[derive(Default)]
pub(crate) struct RequestCounts {
    by_route: HashMap<Box<[u8]>, Vec<(Labels, u64)>>,
}

impl RequestCounts {
    /// Counts a request as forwarded, or as rejected.
    pub(crate) fn add(&mut self, route: &[u8], rejection: Option<&Rejection>) {
        let labels = Labels::new(rejection);
        let counts = match self.by_route.get_mut(route) {
            Some(counts) => counts,
            None => self.by_route.entry(route.into()).or_default(),
        };
        match counts.iter_mut().find(|(other, _)| *other == labels) {
            Some((_, count)) => *count = count.wrapping_add(1),
            None => counts.push((labels, 1)),
        }
    }
}

/// The metric of a configuration.
pub(crate) struct RequestMetric {
    id: Option<LabelledId>,
    /// The routes that have a label of their own.
    routes: Mutex<HashSet<String>>,
}

impl RequestMetric {
    /// Defines the metric.
    pub(crate) fn define(envoy: &impl EnvoyConfiguration) -> RequestMetric {
        RequestMetric {
            id: envoy.labelled_counter("bff_filter_requests", &["route", "outcome", "reason"]),
            routes: Mutex::default(),
        }
    }

    /// Adds what the workers have counted. On the main thread.
    pub(crate) fn report(&self, envoy: &impl Envoy, workers: impl IntoIterator<Item = RequestCounts>) {
        let Some(id) = self.id else { return };
        let mut sums: HashMap<(String, Labels), u64> = HashMap::new();
        for (route, counts) in workers.into_iter().flat_map(|counts| counts.by_route) {
            let route = self.label(&route);
            for (labels, count) in counts {
                let sum = sums.entry((route.clone(), labels)).or_default();
                *sum = sum.wrapping_add(count);
            }
        }
        for ((route, labels), count) in sums {
            envoy.count_labelled(id, &[&route, labels.outcome, &reason(labels.details)], count);
        }
    }

    fn label(&self, route: &[u8]) -> String {
        let route = match route {
            [] => NONE.to_owned(),
            name => String::from_utf8_lossy(name).into_owned(),
        };
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if !routes.contains(&route) {
            if routes.len() >= MAX_ROUTES {
                return OTHER_ROUTES.to_owned();
            }
            routes.insert(route.clone());
        }
        route
    }
}
