//! Rounds of slices: every variant in turn, each next to a slice of its base, in an order that each round reverses, so that
//! other load on the machine affects both alike. A ratio compares two slices side by side. The result is the median over
//! the rounds.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::load::{self, Pace, Requests};
use crate::process::Program;
use crate::result::Result;

/// The number and the length of the slices.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// Load before each slice, which is not counted.
    pub(crate) warm_up: Duration,
    pub(crate) slice: Duration,
}

/// A variant that is measured beside others.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    /// The name of its base; its own name if it has none. A base has no base.
    pub(crate) base: &'a str,
    pub(crate) requests: &'a Requests,
    /// The programs whose cost is counted.
    pub(crate) programs: Vec<&'a Program>,
}

impl Subject<'_> {
    /// What its programs have used so far.
    fn used(&self) -> Result<f64> {
        self.programs.iter().map(|program| program.used()).sum()
    }
}

/// The results: medians.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Per request: microseconds of CPU time, or thousands of instructions.
    pub(crate) cost: f64,
    pub(crate) cost_ratio: f64,
    pub(crate) rps_ratio: f64,
    /// At half the load that the base can take at that time; 0 if it was not measured.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p50_ratio: f64,
    pub(crate) p99_ratio: f64,
}

/// Measures cost and throughput.
pub(crate) async fn costs(subjects: &[Subject<'_>], plan: Plan) -> Result<BTreeMap<String, Figures>> {
    let is_a_base = |name: &str| subjects.iter().any(|other| other.base == name && other.name != name);
    // A base is measured beside every one of its subjects.
    let is_wanted = |subject: &Subject<'_>| !is_a_base(subject.name);
    for subject in subjects.iter().filter(|subject| is_wanted(subject)) {
        use_each_session(subject, plan).await?;
    }
    let slices = measure_side_by_side(subjects, is_wanted, Load::Full, plan).await?;
    let figures = slices.into_iter().map(|(name, pairs)| {
        let found = Figures {
            cost: median(&pairs, |own, _| own.cost),
            cost_ratio: median(&pairs, |own, base| own.cost / base.cost),
            rps_ratio: median(&pairs, |own, base| own.per_second / base.per_second),
            ..Figures::default()
        };
        (name, found)
    });
    Ok(figures.collect())
}

/// Measures the latencies of the named subjects.
pub(crate) async fn latencies(
    subjects: &[Subject<'_>],
    names: &[&str],
    plan: Plan,
    figures: &mut BTreeMap<String, Figures>,
) -> Result<()> {
    let is_wanted = |subject: &Subject<'_>| names.contains(&subject.name);
    for (name, pairs) in measure_side_by_side(subjects, is_wanted, Load::HalfOfBase, plan).await? {
        let Some(figure) = figures.get_mut(&name) else {
            continue;
        };
        figure.p50_us = median(&pairs, |own, _| own.p50_us);
        figure.p99_us = median(&pairs, |own, _| own.p99_us);
        figure.p50_ratio = median(&pairs, |own, base| own.p50_us / base.p50_us);
        figure.p99_ratio = median(&pairs, |own, base| own.p99_us / base.p99_us);
    }
    Ok(())
}

/// The load on both of a pair.
#[derive(Clone, Copy)]
enum Load {
    Full,
    /// Half the throughput of the base at that moment, from a slice of the base at full load. For a subject with hardly more
    /// than half the throughput of the base, this is its full load.
    HalfOfBase,
}

#[derive(Clone, Copy)]
struct Slice {
    /// Per request: microseconds of CPU time, or thousands of instructions.
    cost: f64,
    /// Requests in a second.
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Measures each wanted subject together with its base, one right after the other, the base first in every second
/// round. The result is by name: of each round the subject's own slice and its base's. A base has its slices beside all
/// of its subjects, each paired with itself.
async fn measure_side_by_side(
    subjects: &[Subject<'_>],
    is_wanted: impl Fn(&Subject<'_>) -> bool,
    load: Load,
    plan: Plan,
) -> Result<BTreeMap<String, Vec<(Slice, Slice)>>> {
    let pairs: Vec<_> = subjects
        .iter()
        .filter(|subject| is_wanted(subject))
        .filter_map(|subject| Some((subject, subjects.iter().find(|base| base.name == subject.base)?)))
        .collect();
    let mut slices: BTreeMap<String, Vec<(Slice, Slice)>> = BTreeMap::new();
    let rounds = if pairs.is_empty() { 0 } else { plan.rounds };
    for round in 0..rounds {
        let what = match load {
            Load::Full => "measuring at full load: round",
            Load::HalfOfBase => "measuring at half load: round",
        };
        eprintln!("==> {what} {} of {rounds}", round + 1);
        for (subject, base) in in_turn(&pairs, round) {
            let pace = match load {
                Load::Full => Pace::Full,
                Load::HalfOfBase => Pace::PerSecond(slice(base, Pace::Full, plan).await?.per_second / 2.0),
            };
            let (own, of_base) = match round.is_multiple_of(2) {
                true => {
                    let of_base = slice(base, pace, plan).await?;
                    (slice(subject, pace, plan).await?, of_base)
                }
                false => (slice(subject, pace, plan).await?, slice(base, pace, plan).await?),
            };
            slices.entry(subject.name.to_owned()).or_default().push((own, of_base));
            if base.name != subject.name {
                slices.entry(base.name.to_owned()).or_default().push((of_base, of_base));
            }
        }
    }
    Ok(slices)
}

/// Sends all requests of a subject at least once. What a session costs that is used again must not be an average with its first
/// use, which variants of its own measure.
async fn use_each_session(subject: &Subject<'_>, plan: Plan) -> Result<()> {
    let mut left = subject.requests.list.len();
    while left > 0 {
        let sent = load::run(subject.requests, Pace::Full, plan.warm_up).await;
        let count = sent
            .map_err(|error| format!("measuring {} failed: {error}", subject.name))?
            .count;
        left = left.saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
    }
    Ok(())
}

async fn slice(subject: &Subject<'_>, pace: Pace, plan: Plan) -> Result<Slice> {
    let failed = |error: String| format!("measuring {} failed: {error}", subject.name);
    load::run(subject.requests, pace, plan.warm_up).await.map_err(failed)?;
    let before = subject.used().map_err(failed)?;
    let measured = load::run(subject.requests, pace, plan.slice).await.map_err(failed)?;
    let used = subject.used().map_err(failed)? - before;
    if measured.count == 0 {
        return Err(format!(
            "measuring {} timed out after {} ms: no response",
            subject.name,
            plan.slice.as_millis()
        ));
    }
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = measured.count as f64;
    Ok(Slice {
        cost: used / count,
        per_second: count / plan.slice.as_secs_f64(),
        p50_us: measured.percentile(50.0),
        p99_us: measured.percentile(99.0),
    })
}

fn in_turn<T>(list: &[T], round: usize) -> Box<dyn Iterator<Item = &T> + '_> {
    if round.is_multiple_of(2) {
        Box::new(list.iter())
    } else {
        Box::new(list.iter().rev())
    }
}

fn median(pairs: &[(Slice, Slice)], value: impl Fn(Slice, Slice) -> f64) -> f64 {
    let mut values: Vec<f64> = pairs.iter().map(|(own, base)| value(*own, *base)).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
