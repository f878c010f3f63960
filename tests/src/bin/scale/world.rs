//! What all pages of a pass share: the Envoys that they reach, and the notes of what happened to them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bff_tests::random::Random;

use crate::figures::{Kind, Sample};
use crate::session::Session;
use crate::settings::Settings;

/// An Envoy, as the load balancer in front of it sees it.
pub(crate) struct Door {
    pub(crate) port: u16,
    /// Whether new connections go there.
    pub(crate) open: AtomicBool,
}

/// An attempt to refresh. Times are in milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) started_at: u64,
    pub(crate) ended_at: u64,
    pub(crate) outcome: String,
}

/// A session that was lost: nobody ended it.
pub(crate) struct Loss {
    pub(crate) family: Option<u32>,
    /// The attempts since the last successful one, the last one included.
    pub(crate) attempts: Vec<Attempt>,
}

/// What the pages of a pass have noted.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) samples: Vec<Sample>,
    /// The connections on which each access token was used, by family and generation.
    pub(crate) connections: HashMap<(u32, u32), HashSet<u64>>,
    pub(crate) losses: Vec<Loss>,
    /// Numbers by name.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// The refreshes that were in progress, by the time of their start: when they started and ended, in milliseconds
    /// since 1970.
    pub(crate) refreshes: Vec<(u64, u64)>,
}

/// See the [module](self).
pub(crate) struct World {
    pub(crate) settings: Settings,
    /// `host:port` of service and API.
    pub(crate) authority: String,
    /// The origin of the pages.
    pub(crate) origin: String,
    pub(crate) model_port: u16,
    pub(crate) doors: Vec<Door>,
    pub(crate) sessions: Vec<Mutex<Option<Session>>>,
    pub(crate) started: Instant,
    /// Whether visits must end.
    pub(crate) is_ending: AtomicBool,
    connections: AtomicU64,
    notes: Mutex<Notes>,
}

impl World {
    /// A world in which nothing has happened.
    pub(crate) fn new(
        settings: Settings,
        (authority, origin): (String, String),
        model_port: u16,
        doors: Vec<Door>,
        sessions: Vec<Session>,
    ) -> Self {
        Self {
            settings,
            authority,
            origin,
            model_port,
            doors,
            sessions: sessions.into_iter().map(|session| Mutex::new(Some(session))).collect(),
            started: Instant::now(),
            is_ending: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            notes: Mutex::default(),
        }
    }

    /// The same world, whose time begins now.
    pub(crate) fn begun_now(self) -> Self {
        Self {
            started: Instant::now(),
            ..self
        }
    }

    /// The notes.
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one to a number.
    pub(crate) fn count(&self, name: &'static str) {
        *self.notes().counts.entry(name).or_default() += 1;
    }

    /// Notes a request that began at this time, and the status of its response. 0: no response.
    pub(crate) fn sample(&self, kind: Kind, began: Instant, status: u16) {
        let sample = Sample {
            kind,
            at: began.saturating_duration_since(self.started),
            took: began.elapsed(),
            status,
        };
        self.notes().samples.push(sample);
    }

    /// Notes that an access token, as `family.generation`, was used on a connection. Returns the family.
    pub(crate) fn token_used(&self, token: &str, connection: u64) -> Option<u32> {
        let (family, generation) = token.split_once('.')?;
        let (family, generation) = (family.parse().ok()?, generation.parse().ok()?);
        let mut notes = self.notes();
        notes
            .connections
            .entry((family, generation))
            .or_default()
            .insert(connection);
        Some(family)
    }

    /// Notes a lost session.
    pub(crate) fn record_loss(&self, family: Option<u32>, attempts: &[Attempt]) {
        let loss = Loss {
            family,
            attempts: attempts.to_vec(),
        };
        self.notes().losses.push(loss);
    }

    /// One of the Envoys to which new connections go, and the number of a new connection.
    pub(crate) fn new_connection(&self, random: &mut Random) -> (&Door, u64) {
        let open: Vec<&Door> = self
            .doors
            .iter()
            .filter(|door| door.open.load(Ordering::Relaxed))
            .collect();
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        (random.pick::<&Door>(&open), number)
    }
}
