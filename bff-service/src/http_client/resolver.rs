//! Name resolution by the system resolver, with a cache.
//!
//! A separate connection for each exchange about a user would cause a DNS query for each, and a lost query may cost the C
//! library five seconds: longer than the default of `connect_timeout_ms`. So cached addresses are used for a while
//! without a query, and for longer if a query fails or has no response (RFC 8767).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::host::{is_localhost, strip_brackets};

/// How long cached addresses are used without a query. The C library does not return the TTL.
const FRESH: Duration = Duration::from_secs(5);
/// How long to wait for a response if there are cached addresses: the client response timer of RFC 8767, section 5, but
/// shorter, because a user waits for the whole exchange.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long cached addresses are used without a newer successful response: the maximum stale timer of RFC 8767, section 5,
/// but much shorter, because the C library does not distinguish a removed name from an unresponsive DNS server, and an
/// address may be assigned to another host.
const STALE: Duration = Duration::from_secs(5 * 60);
/// Maximum number of cached names. A configuration has few, and others must not exhaust memory.
const MAX_NAMES: usize = 64;

/// The resolver of the process, which workers, applications and pools share.
static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(query_system));

/// Resolves a name, and may block.
type Resolve = fn(&str) -> io::Result<Vec<IpAddr>>;
/// The result of a query. An error is a string, because all waiting callers get it.
type QueryResult = Result<Vec<IpAddr>, String>;
/// The result of a query in progress: `None` until it is complete.
type PendingResponse = watch::Receiver<Option<QueryResult>>;

/// Resolves a host.
pub(super) async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    NAMES.lookup(host, port).await
}

/// Marks the cached addresses of this host as unreachable, so that the next lookup sends a query.
pub(super) fn doubt(host: &str) {
    NAMES.doubt(host);
}

/// The cache of names.
#[derive(Clone)]
struct Names {
    resolve: Resolve,
    known: Arc<Mutex<HashMap<String, Name>>>,
}

#[derive(Default)]
struct Name {
    /// The last successful response, and its time.
    last: Option<(Instant, Vec<IpAddr>)>,
    /// The time of the last response, including errors.
    settled: Option<Instant>,
    /// The query in progress, and its start.
    query: Option<(Instant, PendingResponse)>,
}

/// The source of addresses for a lookup.
enum AddressSource {
    /// The cache.
    Cache(Vec<IpAddr>),
    /// This query, or the cached addresses after a timeout or an error.
    Query(PendingResponse, Option<(Instant, Vec<IpAddr>)>),
}

impl Names {
    fn new(resolve: Resolve) -> Names {
        Names {
            resolve,
            known: Arc::default(),
        }
    }

    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let name = strip_brackets(host);
        let addresses = match name.parse() {
            Ok(address) => vec![address],
            Err(_) => self.addresses(name).await.map_err(io::Error::other)?,
        };
        Ok(addresses.into_iter().map(|address| (address, port).into()).collect())
    }

    async fn addresses(&self, name: &str) -> QueryResult {
        let (mut response, instead) = match self.select_source(name) {
            AddressSource::Cache(addresses) => return Ok(addresses),
            AddressSource::Query(response, instead) => (response, instead),
        };
        let resolved = async {
            let result = response.wait_for(Option::is_some).await.map(|result| (*result).clone());
            result
                .ok()
                .flatten()
                .unwrap_or_else(|| Err("internal error: the DNS query was not sent".to_owned()))
        };
        let Some((until, instead)) = instead else {
            return resolved.await;
        };
        match timeout_at(until, resolved).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(_)) | Err(_) => Ok(instead),
        }
    }

    /// Joins the query in progress, or starts one if necessary.
    fn select_source(&self, name: &str) -> AddressSource {
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
            return AddressSource::Cache(addresses.clone());
        }
        let (begun, (since, response)) = match &entry.query {
            Some(query) => (None, query.clone()),
            None => {
                let (sender, response) = watch::channel(None);
                entry.query = Some((now, response.clone()));
                (Some(sender), (now, response))
            }
        };
        // A query that cannot be started completes immediately, which takes this lock.
        drop(known);
        if let Some(sender) = begun {
            self.begin(name, sender);
        }
        AddressSource::Query(response, instead.map(|addresses| (since + RESPONSE_TIMEOUT, addresses)))
    }

    /// Sends the query on a separate thread: a slow DNS server must not block the worker.
    fn begin(&self, name: &str, sender: watch::Sender<Option<QueryResult>>) {
        let query = Query {
            names: self.clone(),
            name: name.to_owned(),
            result: Err("the DNS query was aborted".to_owned()),
            sender,
        };
        tokio::task::spawn_blocking(move || query.run());
    }

    fn doubt(&self, host: &str) {
        if let Some(entry) = self.known().get_mut(strip_brackets(host)) {
            entry.settled = None;
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A query in progress. Dropping it completes the query, also after a panic.
struct Query {
    names: Names,
    name: String,
    result: QueryResult,
    sender: watch::Sender<Option<QueryResult>>,
}

impl Query {
    fn run(mut self) {
        self.result = match (self.names.resolve)(&self.name) {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err("no address".to_owned()),
            Err(error) => Err(error.to_string()),
        };
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        let now = Instant::now();
        // Before the result is published, so that a new lookup does not join this query.
        if let Some(entry) = self.names.known().get_mut(&self.name) {
            entry.query = None;
            entry.settled = Some(now);
            if let Ok(addresses) = &self.result {
                entry.last = Some((now, addresses.clone()));
            }
        }
        let result = std::mem::replace(&mut self.result, Err(String::new()));
        self.sender.send_replace(Some(result));
    }
}

fn query_system(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

fn loopback() -> Vec<IpAddr> {
    vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

#[cfg(test)]
mod tests;
