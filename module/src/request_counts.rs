//! What became of requests, by route: counted on the worker threads, and reported by the main thread. To change a metric with
//! labels costs Envoy a search by its name and values, which no request should wait for.

use std::collections::HashMap;

use bff_core::gateway::rejection::Rejection;
use bff_shell::local_reply::reason;

use crate::envoy::{Envoy, EnvoyConfiguration, LabelledId};

/// Envoy stores a metric for each route, and its configuration may change. Routes beyond this number are counted together.
const MAX_ROUTES: usize = 1_000;
/// The label of those routes.
const OTHER_ROUTES: &[u8] = b"other";
/// The label of a route without a name, and the reason of a request that is forwarded: as in Envoy's access log.
const NONE: &str = "-";

/// What became of a request: the labels `outcome` and `reason`, both from fixed lists in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Requests of a route with the same labels.
pub(crate) struct RouteCount {
    route: String,
    labels: Labels,
    count: u64,
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
            None => {
                let has_room = self.by_route.len() < MAX_ROUTES;
                let route = if has_room { route } else { OTHER_ROUTES };
                self.by_route.entry(route.into()).or_default()
            }
        };
        match counts.iter_mut().find(|(other, _)| *other == labels) {
            Some((_, count)) => *count = count.wrapping_add(1),
            None => counts.push((labels, 1)),
        }
    }

    /// Returns what was counted, and counts from zero.
    pub(crate) fn take(&mut self) -> Vec<RouteCount> {
        let mut taken = Vec::new();
        for (route, counts) in &mut self.by_route {
            taken.extend(counts.drain(..).map(|(labels, count)| RouteCount {
                route: String::from_utf8_lossy(route).into_owned(),
                labels,
                count,
            }));
        }
        taken
    }
}

/// The metric.
pub(crate) struct RequestMetric(Option<LabelledId>);

impl RequestMetric {
    /// Defines the metric.
    pub(crate) fn define(envoy: &impl EnvoyConfiguration) -> RequestMetric {
        RequestMetric(envoy.labelled_counter("bff_filter_requests", &["route", "outcome", "reason"]))
    }

    /// Adds what was counted. On a thread of Envoy.
    pub(crate) fn report(&self, envoy: &impl Envoy, counts: &[RouteCount]) {
        let Some(id) = self.0 else { return };
        for RouteCount { route, labels, count } in counts {
            let route = if route.is_empty() { NONE } else { route };
            envoy.count_labelled(id, &[route, labels.outcome, &reason(labels.details)], *count);
        }
    }
}
