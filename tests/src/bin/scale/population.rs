//! The users: who visits when, and for how long. The seed decides all of it, so that two passes have the same plan.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bff_tests::random::Random;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::page::{Done, Page};
use crate::session::Session;
use crate::settings::Settings;
use crate::world::World;

/// Simulated seconds between two calls of a user, and between a failure and the next attempt, on average.
const PAUSE_SECONDS: f64 = 10.0;
/// One of this many visits is long.
const LONG_VISIT_ONE_IN: usize = 20;
/// Calls of a short visit: at most this many.
const SHORT_VISIT_CALLS: usize = 3;
/// Calls of a long visit: from this many to three times as many.
const LONG_VISIT_CALLS: usize = 30;
/// One of this many visits is in two tabs.
const TWO_TABS_ONE_IN: usize = 10;
/// How long pages may try to get their session back after the end of a pass.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);

/// A pause that ends later than this means that the machine is too slow for the run.
const LATE: Duration = Duration::from_millis(200);

/// The number of all pauses, and of those that ended late, among the numbers that the pages note.
pub(crate) const PAUSES: &str = "pauses";
pub(crate) const LATE_PAUSES: &str = "pauses that ended over 200 ms late";

/// A planned visit.
struct Visit {
    at: Duration,
    /// The session of that number; `None`: a user who signs in.
    session: Option<usize>,
    calls: usize,
    two_tabs: bool,
    seed: u64,
}

fn plan(settings: &Settings) -> Vec<Visit> {
    let mut random = Random::new(settings.seed);
    let length = settings.length().as_secs_f64();
    let mut visits = Vec::new();
    let mut visit = |random: &mut Random, at: f64, session: Option<usize>| {
        let calls = match session.is_none() || random.is_one_in(LONG_VISIT_ONE_IN) {
            true => LONG_VISIT_CALLS + random.below(2 * LONG_VISIT_CALLS),
            false => 1 + random.below(SHORT_VISIT_CALLS),
        };
        visits.push(Visit {
            at: Duration::from_secs_f64(at),
            session,
            calls,
            two_tabs: random.is_one_in(TWO_TABS_ONE_IN),
            seed: random.number(),
        });
    };
    // Every session once before any a second time, in no order.
    let mut order: Vec<usize> = (0..settings.sealed as usize).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last + 1));
    }
    let mut sessions = order.iter().cycle();
    let mut at = 0.0;
    while let Some(session) = sessions.next().filter(|_| at < length) {
        visit(&mut random, at, Some(*session));
        // Arrivals of independent users: exponential distances.
        at -= (1.0 - fraction(&mut random)).ln() / settings.visits_per_second;
    }
    for _ in 0..settings.sign_ins {
        // So early that they also refresh.
        let at = fraction(&mut random) * length * 0.9;
        visit(&mut random, at, None);
    }
    visits.sort_by_key(|visit| visit.at);
    visits
}

/// A random number: at least 0, less than 1.
fn fraction(random: &mut Random) -> f64 {
    (random.number() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Runs all visits of a pass, and returns when the last has ended.
pub(crate) async fn run(world: Arc<World>) {
    let mut visits = JoinSet::new();
    let begin = tokio::time::Instant::from_std(world.started);
    for visit in plan(&world.settings) {
        sleep_until(begin + visit.at).await;
        visits.spawn(run_visit(Arc::clone(&world), visit));
        while visits.try_join_next().is_some() {}
    }
    sleep_until(begin + world.settings.length()).await;
    world.is_ending.store(true, Ordering::Relaxed);
    while visits.join_next().await.is_some() {}
}

async fn run_visit(world: Arc<World>, visit: Visit) {
    let slot = visit.session.and_then(|number| world.sessions.get(number));
    let taken = slot.map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take());
    let session = match taken {
        None => Session::default(),
        Some(Some(session)) => session,
        // Its last visit has not ended, or the session has.
        Some(None) => return,
    };
    let mut page = Page::new(&world, session, visit.two_tabs, visit.seed);
    let is_kept = stay(&world, &visit, &mut page).await;
    if let Some(slot) = slot.filter(|_| is_kept) {
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(page.session);
    }
}

/// Returns whether the user is signed in at the end.
async fn stay(world: &World, visit: &Visit, page: &mut Page) -> bool {
    let mut random = Random::new(visit.seed ^ 1);
    world.count("visits");
    if visit.session.is_none() {
        while page.sign_in().await != Done::Yes {
            if is_late(world) {
                world.count("sign-ins that did not succeed");
                return false;
            }
            pause(world, &mut random, Duration::ZERO).await;
        }
        world.count("sign-ins");
    } else {
        page.read_session().await;
    }
    for number in 0..visit.calls {
        loop {
            match page.call(number).await {
                Done::Yes => break,
                Done::SignedOut => return false,
                Done::NotNow(retry_after) => {
                    world.count("calls that failed for now");
                    if has_to_end(world, page) {
                        return !page.is_in_doubt();
                    }
                    pause(world, &mut random, retry_after).await;
                }
            }
        }
        if has_to_end(world, page) {
            return true;
        }
        pause(world, &mut random, Duration::ZERO).await;
    }
    true
}

fn is_ending(world: &World) -> bool {
    world.is_ending.load(Ordering::Relaxed)
}

/// After the end of a pass, only pages continue that do not know whether they still have their session.
fn has_to_end(world: &World, page: &Page) -> bool {
    if !is_ending(world) {
        return false;
    }
    let is_given_up = page.is_in_doubt() && is_late(world);
    if is_given_up {
        world.count("sessions whose state is unknown at the end");
    }
    !page.is_in_doubt() || is_given_up
}

fn is_late(world: &World) -> bool {
    world.started.elapsed() > world.settings.length() + SETTLED_WITHIN
}

async fn pause(world: &World, random: &mut Random, at_least: Duration) {
    let seconds = PAUSE_SECONDS * (0.5 + fraction(random));
    let length = world.settings.simulated(seconds).max(at_least);
    let began = Instant::now();
    sleep(length).await;
    world.count(PAUSES);
    if began.elapsed() > length + LATE {
        world.count(LATE_PAUSES);
    }
}
