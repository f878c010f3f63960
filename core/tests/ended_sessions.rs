//! The list of ended sessions under any sequence of events at several replicas: an ended session stays ended, a session
//! that begins later is valid, and the list stays within its bound.

use std::collections::{BTreeMap, BTreeSet};

use bff_core::cookie::session_id::{SessionId, SubjectHash};
use bff_core::session::ended_sessions::{AllEnded, Ended, EndedSessions};
use proptest::prelude::*;

const START: u64 = 1_000_000;
const SKEW_SECONDS: u64 = 10;
const REPLICAS: usize = 3;

fn digest(number: u8) -> SubjectHash {
    SubjectHash::of("https://issuer", &number.to_string())
}

fn name() -> impl Strategy<Value = Ended> {
    prop_oneof![
        (1u8..12).prop_map(|number| Ended::Session([number; 16])),
        (0u8..3).prop_map(|number| Ended::User(digest(number))),
        (0u8..3).prop_map(|number| Ended::Login(digest(number))),
    ]
}

/// A reference implementation of the list that is simple and slow.
#[derive(Default)]
struct Naive(BTreeMap<Ended, u64>, AllEnded);

impl Naive {
    fn learn(&mut self, ended: Ended, until: u64, limit: usize) {
        let known = self.0.entry(ended).or_default();
        *known = until.max(*known);
        while self.0.len() > limit {
            let (_, first) = self.0.iter().map(|(ended, until)| (*until, *ended)).min().unwrap();
            self.0.remove(&first);
        }
    }

    fn contains(&self, session: &SessionId, began_at: u64) -> bool {
        let (number, user, login) = session.parts();
        began_at < self.1.before
            || self.0.iter().any(|(ended, until)| match ended {
                Ended::Session(other) => *other == number,
                Ended::User(other) => *other == user && began_at <= *until,
                Ended::Login(other) => *other == login && began_at <= *until,
            })
    }
}

#[derive(Clone, Debug)]
enum Change {
    End(Ended, u64),
    Learn(Ended, u64),
    /// All sessions that began before the first time are ended, this much later.
    EndAll(u64, u64),
    Forget(u64),
}

proptest! {
    #[test]
    fn the_list_knows_what_a_naive_one_knows_and_stays_within_its_bound(
        limit in 1usize..12,
        changes in prop::collection::vec(
            prop_oneof![
                4 => (name(), 0u64..100).prop_map(|(ended, at)| Change::End(ended, at)),
                4 => (name(), 0u64..200).prop_map(|(ended, until)| Change::Learn(ended, until)),
                1 => (0u64..100, 0u64..50).prop_map(|(before, later)| Change::EndAll(before, later)),
                1 => (0u64..200).prop_map(Change::Forget),
            ],
            0..60,
        ),
    ) {
        let (mut list, mut naive) = (EndedSessions::new(limit, SKEW_SECONDS), Naive::default());
        for change in changes {
            match change {
                Change::End(ended, at) => {
                    let known = naive.0.get(&ended).copied().unwrap_or_default();
                    let until = list.end(ended, START + at).unwrap();
                    prop_assert!(until >= START + at + SKEW_SECONDS && until >= known);
                    naive.learn(ended, until, limit);
                }
                Change::Learn(ended, until) => {
                    list.learn(ended, START + until);
                    naive.learn(ended, START + until, limit);
                }
                Change::EndAll(before, later) => {
                    let ended = list.end_all(START + before, START + before + later);
                    prop_assert!(ended.before > START + before + SKEW_SECONDS && ended.before >= naive.1.before);
                    prop_assert!(ended.ended_at >= START + before + later && ended.ended_at >= naive.1.ended_at);
                    naive.1 = ended;
                }
                Change::Forget(time) => {
                    list.forget_before(START + time);
                    if naive.1.ended_at < START + time {
                        naive.1 = AllEnded::default();
                    }
                    naive.0.retain(|_, until| *until >= START + time);
                }
            }
            prop_assert!(list.len() <= limit + usize::from(naive.1.before > 0));
            prop_assert_eq!(list.iter().collect::<BTreeMap<_, _>>(), naive.0.clone());
            for (number, began_at) in (0u8..12).flat_map(|number| [(number, 0), (number, 60), (number, 120)]) {
                let session = SessionId::new([number; 16], digest(number % 3), digest(number % 4));
                let began_at = START + began_at;
                prop_assert_eq!(list.has_ended(&session, began_at), naive.contains(&session, began_at));
            }
            // The list that the filter receives is the same.
            let (read, _) = EndedSessions::from_json(list.to_json("1").as_bytes(), limit).unwrap();
            prop_assert!(read.iter().eq(list.iter()));
            prop_assert_eq!(read.all_ended().unwrap_or_default().before, naive.1.before);
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// A user returns from the authorization server to this replica, which is about to request the tokens.
    Ask {
        replica: usize,
        user: u8,
        login: u8,
    },
    /// The nth of these logins receives its tokens.
    Login(usize),
    /// The nth session is refreshed at this replica.
    Refresh(usize, usize),
    /// The nth session signs out at this replica.
    Logout(usize, usize),
    /// A logout token or a front-channel logout reaches this replica.
    LogoutToken(usize, Ended),
    /// Made-up names are ended, the same each time.
    Flood(usize),
    /// One replica learns everything that another knows.
    Join(usize, usize),
    /// From now on this replica's clock is this many seconds ahead.
    Clock(usize, u64),
    Later(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let replica = || 0..REPLICAS;
    let named = || {
        prop_oneof![
            (0u8..2).prop_map(|number| Ended::User(digest(number))),
            (10u8..12).prop_map(|number| Ended::Login(digest(number))),
        ]
    };
    prop_oneof![
        4 => (replica(), 0u8..2, 10u8..12).prop_map(|(replica, user, login)| Event::Ask { replica, user, login }),
        4 => any::<usize>().prop_map(Event::Login),
        2 => (any::<usize>(), replica()).prop_map(|(nth, replica)| Event::Refresh(nth, replica)),
        1 => (any::<usize>(), replica()).prop_map(|(nth, replica)| Event::Logout(nth, replica)),
        4 => (replica(), named()).prop_map(|(replica, name)| Event::LogoutToken(replica, name)),
        1 => replica().prop_map(Event::Flood),
        4 => (replica(), replica()).prop_map(|(from, to)| Event::Join(from, to)),
        1 => (replica(), 0..=SKEW_SECONDS).prop_map(|(replica, ahead)| Event::Clock(replica, ahead)),
        1 => (1u64..30).prop_map(Event::Later),
    ]
}

struct Replica {
    list: EndedSessions,
    ahead: u64,
    /// The logouts that it knows.
    heard: BTreeSet<usize>,
}

struct Logout {
    name: Ended,
    replica: usize,
    at: u64,
    /// The logouts that the replica knew before.
    heard: BTreeSet<usize>,
}

struct Login {
    session: SessionId,
    replica: usize,
    asked_at: u64,
    changes: u64,
    /// The logouts that it knew before it requested its tokens.
    saw: BTreeSet<usize>,
    /// The number of logouts at all replicas before it.
    order: usize,
    began_at: Option<u64>,
}

/// Whether this logout concerns the session of this login.
fn is_of(logout: &Logout, login: &Login) -> bool {
    let (number, user, of) = login.session.parts();
    match logout.name {
        Ended::Session(other) => other == number,
        Ended::User(other) => other == user,
        Ended::Login(other) => other == of,
    }
}

struct World {
    time: u64,
    /// The random number of the last session.
    numbers: u8,
    replicas: Vec<Replica>,
    logouts: Vec<Logout>,
    logins: Vec<Login>,
}

impl World {
    fn now(&self, replica: usize) -> u64 {
        self.time + self.replicas[replica].ahead
    }

    fn end(&mut self, replica: usize, name: Ended) {
        let at = self.now(replica);
        let this = &mut self.replicas[replica];
        this.list.end(name, at);
        let heard = this.heard.clone();
        this.heard.insert(self.logouts.len());
        self.logouts.push(Logout {
            name,
            replica,
            at,
            heard,
        });
    }

    fn nth(&self, nth: usize, begun: bool) -> Option<usize> {
        let of_kind: Vec<usize> = (0..self.logins.len())
            .filter(|login| self.logins[*login].began_at.is_some() == begun)
            .collect();
        (!of_kind.is_empty()).then(|| of_kind[nth % of_kind.len()])
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Ask { replica, user, login } => {
                self.numbers += 1;
                self.logins.push(Login {
                    session: SessionId::new([self.numbers; 16], digest(user), digest(login)),
                    replica,
                    asked_at: self.now(replica),
                    changes: self.replicas[replica].list.changes(),
                    saw: self.replicas[replica].heard.clone(),
                    order: self.logouts.len(),
                    began_at: None,
                });
            }
            Event::Login(nth) => {
                let Some(nth) = self.nth(nth, false) else { return };
                let login = &mut self.logins[nth];
                let list = &mut self.replicas[login.replica].list;
                let began_at = list.begin(&login.session, login.asked_at, login.changes);
                if list.has_ended(&login.session, began_at) {
                    // The service refuses the login only if the session was ended before it began.
                    let login = self.logins.remove(nth);
                    let heard = &self.replicas[login.replica].heard;
                    let is_news = |logout: &&usize| !login.saw.contains(*logout);
                    assert!(
                        heard
                            .iter()
                            .filter(is_news)
                            .any(|logout| is_of(&self.logouts[*logout], &login))
                    );
                } else {
                    login.began_at = Some(began_at);
                }
            }
            Event::Refresh(nth, replica) => {
                // A replica that knows that the session has ended refuses the refresh. Elsewhere the session continues
                // unchanged, which the checks after each event verify.
                let Some(nth) = self.nth(nth, true) else { return };
                let login = &self.logins[nth];
                let began_at = login.began_at.unwrap();
                assert_eq!(
                    self.replicas[replica].list.has_ended(&login.session, began_at),
                    self.has_ended(nth, replica)
                );
            }
            Event::Logout(nth, replica) => {
                let Some(nth) = self.nth(nth, true) else { return };
                self.end(replica, Ended::session(&self.logins[nth].session));
            }
            Event::LogoutToken(replica, name) => self.end(replica, name),
            Event::Flood(replica) => {
                for number in 1..9 {
                    self.end(replica, Ended::Login(digest(200 + number)));
                }
            }
            Event::Join(from, to) if from != to => {
                let (list, heard) = (self.replicas[from].list.clone(), self.replicas[from].heard.clone());
                self.replicas[to].list.merge(&list);
                self.replicas[to].heard.extend(heard);
            }
            Event::Join(..) => {}
            Event::Clock(replica, ahead) => self.replicas[replica].ahead = ahead,
            Event::Later(seconds) => self.time += seconds,
        }
    }

    fn has_ended(&self, nth: usize, replica: usize) -> bool {
        let login = &self.logins[nth];
        self.replicas[replica]
            .list
            .has_ended(&login.session, login.began_at.unwrap())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for (nth, login) in self
            .logins
            .iter()
            .enumerate()
            .filter(|(_, login)| login.began_at.is_some())
        {
            let began_at = login.began_at.unwrap();
            for (number, replica) in self.replicas.iter().enumerate() {
                let of_it: Vec<usize> = replica
                    .heard
                    .iter()
                    .copied()
                    .filter(|logout| is_of(&self.logouts[*logout], login))
                    .collect();
                let saw = |logout: usize| login.saw.contains(&logout);
                // A session that began later is valid.
                if of_it.iter().all(|logout| saw(*logout)) {
                    prop_assert!(
                        !self.has_ended(nth, number),
                        "session {nth} has ended at replica {number}"
                    );
                }
                // An ended session stays ended: by a logout at the same replica, by the clock, and by a logout that
                // follows all logouts that made the session begin ahead of the clock.
                let ends = |logout: usize| {
                    let ended = &self.logouts[logout];
                    let made_ahead = || login.saw.iter().filter(|other| is_of(&self.logouts[**other], login));
                    logout >= login.order
                        && (ended.replica == login.replica
                            || matches!(ended.name, Ended::Session(_))
                            || began_at <= ended.at + SKEW_SECONDS
                            || made_ahead()
                                .all(|other| self.logouts[*other].name == ended.name && ended.heard.contains(other)))
                };
                if of_it.iter().any(|logout| ends(*logout)) {
                    prop_assert!(
                        self.has_ended(nth, number),
                        "session {nth} has not ended at replica {number}"
                    );
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_ended_stays_ended_and_who_signs_in_later_lives(events in prop::collection::vec(event(), 1..50)) {
        let replica = || Replica { list: EndedSessions::new(1000, SKEW_SECONDS), ahead: 0, heard: BTreeSet::new() };
        let mut world = World {
            time: START,
            numbers: 100,
            replicas: (0..REPLICAS).map(|_| replica()).collect(),
            logouts: Vec::new(),
            logins: Vec::new(),
        };
        for event in events {
            world.happens(event);
            world.check()?;
        }
    }
}
