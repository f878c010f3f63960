//! The leader of an introspection ends at each step of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::*;
use crate::abi::simulation::{Envoy, Kind, Place, Request, Version};

const WORKERS: usize = 4;
const REQUESTS: usize = 6;
/// How often each version is tried.
const ROUNDS: usize = 1000;

/// When leaders end.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// As soon as its callout is out, before the response.
    CalloutIsOut,
    /// Among the events between callout and response.
    BeforeTheResponse,
    /// Just behind the response, while the others are told.
    AfterTheResponse,
    /// Those who repeat the introspection end too, all but one.
    EachSuccessor,
    /// The successor's callout is not sent.
    SuccessorIsRefused,
    /// By another thread, while the others come.
    ByAnotherThread,
    /// None ends.
    Never,
}

const STEPS: [Step; 7] = [
    Step::CalloutIsOut,
    Step::BeforeTheResponse,
    Step::AfterTheResponse,
    Step::EachSuccessor,
    Step::SuccessorIsRefused,
    Step::ByAnotherThread,
    Step::Never,
];

/// A round: its step, the number of callouts, and the requests that it has ended.
struct Round {
    step: Step,
    callouts: AtomicUsize,
    killed: Mutex<Vec<Arc<Request>>>,
}

impl Round {
    fn kill(&self, request: &Arc<Request>, turns: usize) {
        request.leave(turns);
        let mut killed = self.killed.lock().unwrap_or_else(PoisonError::into_inner);
        killed.push(Arc::clone(request));
    }

    fn answer(&self, callout: &Callout) -> CalloutPlan {
        const CANNOT_CREATE_REQUEST: u32 = 4;
        let request = callout.request.as_ref().expect("an introspection belongs to a request");
        let before = self.callouts.fetch_add(1, Ordering::SeqCst);
        let is_first = before == 0;
        match self.step {
            Step::CalloutIsOut if is_first => {
                self.kill(request, 0);
                CalloutPlan::Never
            }
            Step::BeforeTheResponse if is_first => {
                self.kill(request, 2);
                active(When::Turns(3), callout)
            }
            Step::AfterTheResponse if is_first => {
                self.kill(request, 3);
                active(When::Turns(2), callout)
            }
            Step::EachSuccessor if before < REQUESTS - 1 => {
                self.kill(request, before % 2);
                CalloutPlan::Never
            }
            Step::SuccessorIsRefused if is_first => {
                self.kill(request, 1);
                CalloutPlan::Never
            }
            Step::SuccessorIsRefused if before == 1 => CalloutPlan::NotSent(CANNOT_CREATE_REQUEST),
            Step::ByAnotherThread if is_first => CalloutPlan::Never,
            Step::CalloutIsOut
            | Step::BeforeTheResponse
            | Step::AfterTheResponse
            | Step::EachSuccessor
            | Step::SuccessorIsRefused
            | Step::ByAnotherThread
            | Step::Never => active(When::Turns(before % 3), callout),
        }
    }
}

fn play(envoy: &Envoy, place: &Place, round: &Round, number: usize, token: &str) {
    let requests: Vec<_> = (0..REQUESTS)
        .map(|index| {
            let plan = Plan {
                upstream: [Upstream::AtOnce, Upstream::Later][index % 2],
                ..plan((number + index) % WORKERS, token)
            };
            let request = envoy.send(place, plan);
            if matches!(round.step, Step::ByAnotherThread) && index == number % REQUESTS {
                // Whether this one leads is not known.
                requests_end(round, &request);
            }
            request
        })
        .collect();
    if matches!(round.step, Step::ByAnotherThread) {
        // Whoever leads now must end, since its callout stays without a response.
        for request in &requests[..REQUESTS - 1] {
            requests_end(round, request);
        }
    }
    for request in &requests {
        let outcome = request.outcome();
        let killed = round.killed.lock().unwrap_or_else(PoisonError::into_inner);
        let was_killed = killed.iter().any(|killed| Arc::ptr_eq(killed, request));
        match outcome {
            Outcome::Reset(_) => panic!("nothing ends streams"),
            Outcome::Left => assert!(was_killed, "it has left by itself"),
            Outcome::Replied(status, ..) => {
                assert!(matches!(round.step, Step::SuccessorIsRefused), "{outcome:?}");
                assert_eq!(status, 502);
            }
            Outcome::Forwarded(..) => assert_forwarded(&outcome, token),
        }
    }
}

fn requests_end(round: &Round, request: &Arc<Request>) {
    request.wait_until_paused();
    round.kill(request, 0);
}

#[test]
#[cfg_attr(miri, ignore = "Miri needs a minute for each round")]
fn a_leader_that_ends_at_any_step_takes_nobody_along() {
    for version in Version::ALL {
        let round = Arc::new(Mutex::new(Arc::new(Round {
            step: Step::Never,
            callouts: AtomicUsize::new(0),
            killed: Mutex::default(),
        })));
        let current = Arc::clone(&round);
        let envoy = Envoy::start(version, WORKERS, move |callout| {
            let round = Arc::clone(&current.lock().unwrap_or_else(PoisonError::into_inner));
            round.answer(callout)
        });
        let place = envoy.configure(&configuration("leaders")).expect("a configuration");
        for number in 0..ROUNDS {
            let played = Arc::new(Round {
                step: STEPS[number % STEPS.len()],
                callouts: AtomicUsize::new(0),
                killed: Mutex::default(),
            });
            *round.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&played);
            play(&envoy, &place, &played, number, &format!("{version:?}-{number}"));
        }
        envoy.tick(&place);
        let introspections = place.sum(Kind::Counter, "bff_filter_introspections");
        assert!(introspections >= i64::try_from(ROUNDS).unwrap(), "{introspections}");
        envoy.exit(vec![place]);
    }
}
