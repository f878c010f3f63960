//! Names to addresses, by the system's resolver, which is asked seldom and not waited for long where it was asked before.
//!
//! A connection of its own for each exchange about a user would be a question of its own to the DNS, and a question that is
//! lost on the way costs the C library five seconds: longer than anybody waits for a refresh. So what is known of a name is
//! used for a while without a question, and for longer where the question is not answered (RFC 8767).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::host::{is_localhost, without_brackets};

/// How long what is known of a name is used without asking. The C library does not tell how long it may be.
const FRESH: Duration = Duration::from_secs(5);
/// How long an answer is waited for where something is known: the client response timer of RFC 8767, section 5, shorter than
/// there since a user waits for the whole.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// How long what is known is used while there is no better answer: its maximum stale timer. Much shorter than there, since the
/// C library does not tell a name that is gone from a server that does not answer, and an address may be given to others.
const STALE: Duration = Duration::from_secs(5 * 60);
/// Names that are kept. Those of a configuration are few; whatever else there may be must not use up memory.
const MAX_NAMES: usize = 64;

/// The process's: workers, applications and pools ask one resolver.
static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(ask_system));

/// Asks for the addresses of a name, and may block.
type Ask = fn(&str) -> io::Result<Vec<IpAddr>>;
/// What came of a question; an error as its words, since it is told to all who wait.
type Outcome = Result<Vec<IpAddr>, String>;
/// Set once.
type PendingAnswer = watch::Receiver<Option<Outcome>>;

/// The addresses of a host.
pub(super) async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    NAMES.lookup(host, port).await
}

/// Says that there was nobody at the addresses of this host, so that the next who wants it asks.
pub(super) fn doubt(host: &str) {
    NAMES.doubt(host);
}

/// What is known of names.
#[derive(Clone)]
struct Names {
    ask: Ask,
    known: Arc<Mutex<HashMap<String, Name>>>,
}

#[derive(Default)]
struct Name {
    /// The last answer that there was, and when.
    last: Option<(Instant, Vec<IpAddr>)>,
    /// When a question was last answered, if only by an error.
    settled: Option<Instant>,
    /// The question that is under way, and since when.
    question: Option<(Instant, PendingAnswer)>,
}

/// How somebody comes by the addresses.
enum Way {
    /// They are known.
    Known(Vec<IpAddr>),
    /// By this answer; or, if there is none until then, by what is known.
    Answer(PendingAnswer, Option<(Instant, Vec<IpAddr>)>),
}

impl Names {
    fn new(ask: Ask) -> Names {
        Names {
            ask,
            known: Arc::default(),
        }
    }

    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let name = without_brackets(host);
        let addresses = match name.parse() {
            Ok(address) => vec![address],
            Err(_) => self.addresses(name).await.map_err(io::Error::other)?,
        };
        Ok(addresses.into_iter().map(|address| (address, port).into()).collect())
    }

    async fn addresses(&self, name: &str) -> Outcome {
        let (mut answer, instead) = match self.way(name) {
            Way::Known(addresses) => return Ok(addresses),
            Way::Answer(answer, instead) => (answer, instead),
        };
        let answered = async {
            let outcome = answer.wait_for(Option::is_some).await.map(|outcome| (*outcome).clone());
            outcome
                .ok()
                .flatten()
                .unwrap_or_else(|| Err("internal error: the DNS query was not sent".to_owned()))
        };
        let Some((until, instead)) = instead else {
            return answered.await;
        };
        match timeout_at(until, answered).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(_)) | Err(_) => Ok(instead),
        }
    }

    /// Joins the question that is under way, or begins one, if there has to be one.
    fn way(&self, name: &str) -> Way {
        let now = Instant::now();
        let mut known = self.known();
        if known.len() >= MAX_NAMES && !known.contains_key(name) {
            known.clear();
        }
        let entry = known.entry(name.to_owned()).or_default();
        let last = entry.last.as_ref().filter(|(at, _)| now.duration_since(*at) < STALE);
        let instead = match last {
            Some((_, addresses)) => Some(addresses.clone()),
            None => is_localhost(name).then(loopback),
        };
        if entry.settled.is_some_and(|at| now.duration_since(at) < FRESH)
            && let Some(addresses) = &instead
        {
            return Way::Known(addresses.clone());
        }
        let (begun, (since, answer)) = match &entry.question {
            Some(question) => (None, question.clone()),
            None => {
                let (sender, answer) = watch::channel(None);
                entry.question = Some((now, answer.clone()));
                (Some(sender), (now, answer))
            }
        };
        // A question that cannot be asked is settled at once, which takes this lock.
        drop(known);
        if let Some(sender) = begun {
            self.begin(name, sender);
        }
        Way::Answer(answer, instead.map(|addresses| (since + ANSWER_TIMEOUT, addresses)))
    }

    /// Asks on a thread of its own: a slow DNS server must not hold up the whole worker.
    fn begin(&self, name: &str, sender: watch::Sender<Option<Outcome>>) {
        let question = Question {
            names: self.clone(),
            name: name.to_owned(),
            outcome: Err("the DNS query was aborted".to_owned()),
            sender,
        };
        tokio::task::spawn_blocking(move || question.ask());
    }

    fn doubt(&self, host: &str) {
        if let Some(entry) = self.known().get_mut(without_brackets(host)) {
            entry.settled = None;
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is under way. It is settled when this goes, also by a panic.
struct Question {
    names: Names,
    name: String,
    outcome: Outcome,
    sender: watch::Sender<Option<Outcome>>,
}

impl Question {
    fn ask(mut self) {
        self.outcome = match (self.names.ask)(&self.name) {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err("no address".to_owned()),
            Err(error) => Err(error.to_string()),
        };
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let now = Instant::now();
        // Before anybody hears of it, so that who asks then is not told of this one.
        if let Some(entry) = self.names.known().get_mut(&self.name) {
            entry.question = None;
            entry.settled = Some(now);
            if let Ok(addresses) = &self.outcome {
                entry.last = Some((now, addresses.clone()));
            }
        }
        let outcome = std::mem::replace(&mut self.outcome, Err(String::new()));
        self.sender.send_replace(Some(outcome));
    }
}

fn ask_system(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

fn loopback() -> Vec<IpAddr> {
    vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

#[cfg(test)]
mod tests;
