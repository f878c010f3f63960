//! All interleavings of a few threads over one key. Each operation of a memory locks one shard once, so that an interleaving is
//! an order of operations: this tries every order, and needs no threads for it.

use super::*;

const KEY: CacheKey = [1; 32];

/// One step of a request's thread. What happens in one step of a gateway, but takes several operations of the memory, is
/// several steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Join,
    /// The caller disconnects, and the callout of the request ends.
    Leave,
    /// The request has waited for too long. Its callout continues until the thread has carried out the decision.
    Expire,
    /// Tells the request whose flight was lost.
    Tell,
    TakeOver,
    /// The response has come: reads the token of the flight.
    Respond,
    Land,
    /// Is told the outcome of another request's flight.
    Learn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Waits,
    Ended,
}

/// A request, on a thread of its own.
struct Request {
    state: State,
    /// How it may end before its decision.
    may: &'static [Step],
    callout: Option<FlightId>,
    ends: Option<FlightId>,
    tells: Option<StreamId>,
    must_take_over: bool,
    has_outcome: bool,
}

struct World {
    memory: Arc<TokenMemory>,
    requests: Vec<Request>,
    is_active: bool,
}

impl World {
    fn new(may: &[&'static [Step]], is_active: bool) -> World {
        let request = |may: &&'static [Step]| Request {
            state: State::New,
            may,
            callout: None,
            ends: None,
            tells: None,
            must_take_over: false,
            has_outcome: false,
        };
        World {
            memory: TokenMemory::with_shards(1, 10, 10_000),
            requests: may.iter().map(request).collect(),
            is_active,
        }
    }

    /// The steps that may come next, each with the index of its request.
    fn next(&self) -> Vec<(usize, Step)> {
        let mut next = Vec::new();
        for (index, request) in self.requests.iter().enumerate() {
            let mut may = |step| next.push((index, step));
            // A thread continues what it has begun.
            if request.tells.is_some() {
                may(Step::Tell);
                continue;
            }
            if request.ends.is_some() {
                may(Step::Land);
                continue;
            }
            if request.callout.is_some() {
                may(Step::Respond);
            }
            match request.state {
                State::New => may(Step::Join),
                State::Waits => {
                    request.may.iter().copied().for_each(&mut may);
                    if request.must_take_over {
                        may(Step::TakeOver);
                    }
                    if request.has_outcome {
                        may(Step::Learn);
                    }
                }
                State::Ended => {}
            }
        }
        next
    }

    fn take(&mut self, index: usize, step: Step) {
        let stream = StreamId::try_from(index).unwrap();
        let memory = Arc::clone(&self.memory);
        let request = &mut self.requests[index];
        match step {
            Step::Join => match memory.join(&KEY, b"token", stream, 50) {
                Joined::Active(..) => request.state = State::Ended,
                Joined::Leads(flight) => (request.state, request.callout) = (State::Waits, Some(flight)),
                Joined::Waits => request.state = State::Waits,
            },
            Step::Leave | Step::Expire => {
                request.state = State::Ended;
                request.tells = memory.leave(&KEY, stream);
                if step == Step::Leave {
                    request.callout = None;
                }
            }
            Step::Tell => {
                let next = request.tells.take().unwrap();
                // One that has ended cannot be told.
                self.requests[usize::try_from(next).unwrap()].must_take_over = true;
            }
            Step::TakeOver => {
                request.must_take_over = false;
                if let Some((flight, content)) = memory.take_over(&KEY, stream) {
                    assert_eq!(*content.token, b"token");
                    assert_eq!(request.callout.replace(flight), None, "a second callout");
                }
            }
            Step::Respond => {
                let flight = request.callout.take().unwrap();
                request.ends = memory.content(flight).map(|_| flight);
            }
            Step::Land => {
                let flight = request.ends.take().unwrap();
                let known = self.is_active.then(|| (Arc::default(), 100));
                for waiter in memory.end(flight, known) {
                    let waiter = usize::try_from(waiter).unwrap();
                    match waiter == index {
                        true => self.requests[index].state = State::Ended,
                        false => self.requests[waiter].has_outcome = true,
                    }
                }
            }
            Step::Learn => request.state = State::Ended,
        }
    }

    /// The requests whose callout is in progress, and that wait for it.
    fn leaders(&self) -> usize {
        let leads =
            |request: &&Request| request.state == State::Waits && request.callout.is_some() && !request.has_outcome;
        self.requests.iter().filter(leads).count()
    }
}

/// Tries every order. Returns their number.
fn explore(may: &[&'static [Step]], is_active: bool) -> usize {
    // Which of how many steps was taken.
    let mut choices: Vec<(usize, usize)> = Vec::new();
    let mut orders = 0;
    loop {
        let (mut world, mut depth, mut taken) = (World::new(may, is_active), 0, Vec::new());
        loop {
            let next = world.next();
            if next.is_empty() {
                break;
            }
            if depth == choices.len() {
                choices.push((0, next.len()));
            }
            let (index, step) = next[choices[depth].0];
            taken.push((index, step));
            world.take(index, step);
            assert!(world.leaders() <= 1, "two introspections at once: {taken:?}");
            depth += 1;
        }
        orders += 1;
        let has_ended = |request: &Request| request.state == State::Ended;
        assert!(world.requests.iter().all(has_ended), "waits for ever: {taken:?}");
        assert_eq!(world.memory.in_flight(), 0, "a flight stays: {taken:?}");
        while choices.last().is_some_and(|(choice, count)| choice + 1 == *count) {
            choices.pop();
        }
        match choices.last_mut() {
            Some((choice, _)) => *choice += 1,
            None => return orders,
        }
    }
}

const STAYS: &[Step] = &[];
const LEAVES: &[Step] = &[Step::Leave];
const EXPIRES: &[Step] = &[Step::Expire];

#[test]
fn in_every_order_of_their_steps_no_request_waits_for_ever_and_one_introspection_is_in_progress() {
    let cases: [&[&'static [Step]]; 6] = [
        &[STAYS, STAYS],
        &[LEAVES, EXPIRES],
        &[STAYS, STAYS, STAYS],
        &[LEAVES, STAYS, STAYS],
        &[LEAVES, LEAVES, STAYS],
        &[LEAVES, EXPIRES, STAYS],
    ];
    let each = cases.iter().flat_map(|may| [explore(may, true), explore(may, false)]);
    let orders: usize = each.sum();
    assert!(orders > 5000, "{orders} orders are not all");
}
