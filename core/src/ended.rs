//! Sessions that were ended before their cookies expire: the user signed out, or the authorization server says so.
//!
//! A session lives in cookies alone, so nothing can be deleted to end it. Instead its name is remembered for as long as
//! its cookies could live. The service keeps the list; the filter reads it from the service from time to time.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::seal::{NameDigest, SessionId};

/// What was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// One session, by its own number.
    Session([u8; 16]),
    /// All sessions of one login at the authorization server (`sid`).
    Login(NameDigest),
    /// All sessions that a user has at that moment (`sub`).
    User(NameDigest),
}

impl Ended {
    /// The one session.
    pub fn session(session: &SessionId) -> Self {
        Self::Session(session.parts().0)
    }

    /// Whether it names nothing: what is of no session, login or user has zeros in its place, and all of that is not over
    /// because somebody ended what has no name.
    pub fn is_nameless(self) -> bool {
        match self {
            Self::Session(number) => number == [0; 16],
            Self::Login(digest) | Self::User(digest) => digest == NameDigest::NONE,
        }
    }

    /// In text: the kind's letter and the hexadecimal name.
    pub fn to_text(self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match self {
            Self::Session(number) => format!("s{}", hex(&number)),
            Self::Login(digest) => format!("l{}", hex(&digest.0)),
            Self::User(digest) => format!("u{}", hex(&digest.0)),
        }
    }

    /// Reads [`Ended::to_text`].
    pub fn from_text(text: &str) -> Option<Self> {
        let (kind, hex) = text.split_at_checked(1)?;
        match kind {
            "s" => Some(Self::Session(from_hex(hex)?)),
            "l" => Some(Self::Login(NameDigest(from_hex(hex)?))),
            "u" => Some(Self::User(NameDigest(from_hex(hex)?))),
            _ => None,
        }
    }
}

fn from_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16).filter(|_| !digit.is_ascii_uppercase());
        let [high, low] = pair.map(digit);
        *byte = u8::try_from(high?.checked_mul(16)?.checked_add(low?)?).ok()?;
    }
    Some(bytes)
}

/// The list of what was ended, with the time (seconds since 1970). Bounded: the oldest go first.
#[derive(Clone, Debug)]
pub struct EndedSessions {
    times: HashMap<Ended, u64>,
    /// By their times. An entry whose time is not the one in `times` has been replaced.
    order: VecDeque<(u64, Ended)>,
    limit: usize,
}

impl EndedSessions {
    /// An empty list of at most `limit` entries.
    pub fn new(limit: usize) -> Self {
        Self {
            times: HashMap::new(),
            order: VecDeque::new(),
            limit,
        }
    }

    /// Adds an entry. Returns whether that changed anything.
    pub fn end(&mut self, ended: Ended, at: u64) -> bool {
        if ended.is_nameless() || self.times.get(&ended).is_some_and(|known| *known >= at) {
            return false;
        }
        self.times.insert(ended, at);
        // Nearly always the end: it is only what comes late that has a place before.
        let place = self.order.partition_point(|(other, _)| *other <= at);
        self.order.insert(place, (at, ended));
        while self.times.len() > self.limit || self.order.len() > self.limit.saturating_mul(2) {
            self.forget_first();
        }
        true
    }

    /// Adds the entries of another list.
    pub fn merge(&mut self, other: &Self) {
        for (at, ended) in &other.order {
            if other.times.get(ended) == Some(at) {
                self.end(*ended, *at);
            }
        }
    }

    /// Drops what was ended before this time.
    pub fn forget_before(&mut self, time: u64) {
        while self.order.front().is_some_and(|(at, _)| *at < time) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((at, ended)) = self.order.pop_front()
            && self.times.get(&ended) == Some(&at)
        {
            self.times.remove(&ended);
        }
    }

    /// Whether this session, begun at `began_at` (seconds since 1970), is over. A user who was signed out everywhere may sign
    /// in again; a session or a login that is over does not come back.
    pub fn contains(&self, session: &SessionId, began_at: u64) -> bool {
        if self.times.is_empty() {
            return false;
        }
        let (number, user, login) = session.parts();
        self.times.contains_key(&Ended::Session(number))
            || self.times.contains_key(&Ended::Login(login))
            || self.times.get(&Ended::User(user)).is_some_and(|at| began_at <= *at)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The entries and their times, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Ended, u64)> + '_ {
        self.times.iter().map(|(ended, at)| (*ended, *at))
    }

    /// The list as JSON, for [`EndedSessions::from_json`]. `version` names this state of it.
    pub fn to_json(&self, version: &str) -> String {
        let ended = self.iter().map(|(ended, at)| (ended.to_text(), at)).collect();
        let list = List {
            version: version.to_owned(),
            ended,
        };
        serde_json::to_string(&list).unwrap_or_default()
    }

    /// Reads a list, and the name of its state. `None`: it is none. Entries over `limit` and entries of an unknown kind,
    /// of a newer service, are left out.
    pub fn from_json(json: &[u8], limit: usize) -> Option<(Self, String)> {
        let mut list: List = serde_json::from_slice(json).ok()?;
        list.ended.sort_unstable_by_key(|(_, at)| *at);
        let mut ended = Self::new(limit);
        for (text, at) in list.ended {
            if let Some(name) = Ended::from_text(&text) {
                ended.end(name, at);
            }
        }
        Some((ended, list.version))
    }
}

#[derive(Serialize, Deserialize)]
struct List {
    version: String,
    ended: Vec<(String, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u8, user: &str, login: &str) -> SessionId {
        let digest = |name| NameDigest::of("https://issuer", name);
        SessionId::new([number; 16], digest(user), digest(login))
    }

    #[test]
    fn a_session_ends_by_its_number_its_login_or_its_user() {
        let (_, user, login) = session(1, "alice", "sid").parts();
        for ended in [Ended::Session([1; 16]), Ended::Login(login), Ended::User(user)] {
            let mut list = EndedSessions::new(10);
            assert!(list.end(ended, 100));
            assert!(list.contains(&session(1, "alice", "sid"), 100), "{ended:?}");
            assert!(!list.contains(&session(2, "bob", "other"), 100), "{ended:?}");
        }
    }

    #[test]
    fn a_user_who_was_signed_out_everywhere_may_sign_in_again_and_a_session_does_not_come_back() {
        let (_, user, login) = session(1, "alice", "sid").parts();
        let mut list = EndedSessions::new(10);
        list.end(Ended::User(user), 100);
        assert!(!list.contains(&session(2, "alice", "new"), 101));
        list.end(Ended::Login(login), 100);
        assert!(list.contains(&session(1, "alice", "sid"), 101));
    }

    #[test]
    fn a_session_without_names_is_ended_by_no_name() {
        let nameless = SessionId::new([1; 16], NameDigest::NONE, NameDigest::NONE);
        let mut list = EndedSessions::new(10);
        assert!(!list.end(Ended::User(NameDigest::NONE), 100) && !list.end(Ended::Login(NameDigest::NONE), 100));
        assert!(
            !list.end(Ended::session(&SessionId::NONE), 100),
            "that is every cookie of no session"
        );
        list.end(Ended::Session([2; 16]), 100);
        assert!(!list.contains(&nameless, 0));
    }

    #[test]
    fn the_list_is_bounded_and_the_oldest_go_first() {
        let mut list = EndedSessions::new(2);
        for number in 1..=3 {
            list.end(Ended::Session([number; 16]), u64::from(number));
        }
        assert_eq!(list.len(), 2);
        assert!(!list.contains(&session(1, "", ""), 0) && list.contains(&session(3, "", ""), 0));
        // One entry again and again takes no more room.
        for at in 10..1000 {
            list.end(Ended::Session([3; 16]), at);
        }
        assert!(list.order.len() <= 4);
        list.forget_before(999);
        assert_eq!(list.len(), 1);
        list.forget_before(1000);
        assert!(list.is_empty());
        // What comes late goes in time.
        list.end(Ended::Session([4; 16]), 2000);
        list.end(Ended::Session([5; 16]), 1500);
        list.forget_before(1501);
        assert_eq!((list.len(), list.order.len()), (1, 1));
    }

    #[test]
    fn a_list_survives_its_journey_and_nonsense_is_no_list() {
        let mut list = EndedSessions::new(10);
        let digest = NameDigest::of("https://issuer", "x");
        for ended in [Ended::Session([0xab; 16]), Ended::Login(digest), Ended::User(digest)] {
            list.end(ended, 5);
        }
        let json = list.to_json("7");
        let (read, version) = EndedSessions::from_json(json.as_bytes(), 10).unwrap();
        assert_eq!((read.times, version.as_str()), (list.times, "7"));
        for bad in [
            "",
            "[]",
            "{}",
            "{\"version\":\"1\"}",
            "{\"version\":\"1\",\"ended\":[[1,2]]}",
        ] {
            assert!(EndedSessions::from_json(bad.as_bytes(), 10).is_none(), "{bad}");
        }
        let unknown = br#"{"version":"1","ended":[["x00",1],["s00",1],["sAB",1],["",1]]}"#;
        assert!(EndedSessions::from_json(unknown, 10).unwrap().0.is_empty());
    }

    #[test]
    fn the_same_name_of_another_issuer_is_another_name() {
        assert_ne!(NameDigest::of("https://a", "x"), NameDigest::of("https://b", "x"));
        assert_ne!(NameDigest::of("https://a", "bx"), NameDigest::of("https://ab", "x"));
    }
}
