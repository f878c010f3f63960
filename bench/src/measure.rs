//! Rounds of slices: every variant in turn, the order reversed each round, so that what the machine does besides meets all
//! of them alike. A ratio is of one round; what is told is the median over the rounds.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Result;
use crate::load::{self, Pace, Requests};
use crate::process::Program;

/// How long and how often.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// Before each slice, and not counted.
    pub(crate) warm_up: Duration,
    pub(crate) slice: Duration,
}

/// Something to be measured beside others.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    /// What it is a ratio of; its own name, if of nothing.
    pub(crate) base: &'a str,
    pub(crate) requests: &'a Requests,
    /// Whose cost counts.
    pub(crate) program: &'a Program,
}

/// What came of it: medians.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Of a request: microseconds of CPU time, or thousands of instructions.
    pub(crate) cost: f64,
    pub(crate) cost_ratio: f64,
    pub(crate) rps_ratio: f64,
    /// At half of the load that the base can take; 0 where it was not measured.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p50_ratio: f64,
    pub(crate) p99_ratio: f64,
}

struct Slice {
    cost: f64,
    per_second: f64,
}

/// Measures what a request costs, and throughput.
pub(crate) async fn costs(subjects: &[Subject<'_>], plan: Plan) -> Result<BTreeMap<String, Figures>> {
    let mut rounds: Vec<BTreeMap<&str, Slice>> = Vec::new();
    for round in 0..plan.rounds {
        eprintln!("==> round {} of {}", round + 1, plan.rounds);
        let mut slices = BTreeMap::new();
        for subject in in_turn(subjects, round) {
            load::run(subject.requests, Pace::Full, plan.warm_up).await?;
            let before = subject.program.used()?;
            let outcome = load::run(subject.requests, Pace::Full, plan.slice).await?;
            let used = subject.program.used()? - before;
            #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
            let count = outcome.count as f64;
            let slice = Slice {
                cost: used / count,
                per_second: count / plan.slice.as_secs_f64(),
            };
            slices.insert(subject.name, slice);
        }
        rounds.push(slices);
    }
    let mut figures = BTreeMap::new();
    for subject in subjects {
        let of = |value: &dyn Fn(&Slice, &Slice) -> f64| {
            let pairs = rounds
                .iter()
                .filter_map(|slices| Some((slices.get(subject.name)?, slices.get(subject.base)?)));
            median(pairs.map(|(slice, base)| value(slice, base)).collect())
        };
        let found = Figures {
            cost: of(&|slice, _| slice.cost),
            cost_ratio: of(&|slice, base| slice.cost / base.cost),
            rps_ratio: of(&|slice, base| slice.per_second / base.per_second),
            ..Figures::default()
        };
        figures.insert(subject.name.to_owned(), found);
    }
    Ok(figures)
}

/// Measures latencies at half of the load that the first subject's base can take.
pub(crate) async fn latencies(
    subjects: &[Subject<'_>],
    plan: Plan,
    figures: &mut BTreeMap<String, Figures>,
) -> Result<()> {
    let Some(first) = subjects.first() else { return Ok(()) };
    let full = load::run(first.requests, Pace::Full, plan.slice).await?;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let half = full.count as f64 / plan.slice.as_secs_f64() / 2.0;
    let mut rounds: Vec<BTreeMap<&str, (f64, f64)>> = Vec::new();
    for round in 0..plan.rounds {
        eprintln!("==> half load, round {} of {}", round + 1, plan.rounds);
        let mut slices = BTreeMap::new();
        for subject in in_turn(subjects, round) {
            load::run(subject.requests, Pace::PerSecond(half), plan.warm_up).await?;
            let outcome = load::run(subject.requests, Pace::PerSecond(half), plan.slice).await?;
            slices.insert(subject.name, (outcome.percentile(50.0), outcome.percentile(99.0)));
        }
        rounds.push(slices);
    }
    for subject in subjects {
        let Some(figure) = figures.get_mut(subject.name) else {
            continue;
        };
        let of = |value: &dyn Fn((f64, f64), (f64, f64)) -> f64| {
            let pairs = rounds
                .iter()
                .filter_map(|slices| Some((*slices.get(subject.name)?, *slices.get(subject.base)?)));
            median(pairs.map(|(slice, base)| value(slice, base)).collect())
        };
        figure.p50_us = of(&|slice, _| slice.0);
        figure.p99_us = of(&|slice, _| slice.1);
        figure.p50_ratio = of(&|slice, base| slice.0 / base.0);
        figure.p99_ratio = of(&|slice, base| slice.1 / base.1);
    }
    Ok(())
}

fn in_turn<'a>(subjects: &'a [Subject<'a>], round: usize) -> Box<dyn Iterator<Item = &'a Subject<'a>> + 'a> {
    if round.is_multiple_of(2) {
        Box::new(subjects.iter())
    } else {
        Box::new(subjects.iter().rev())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
