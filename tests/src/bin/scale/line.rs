//! A browser's connection to one of the Envoys. As behind a load balancer of layer 4, each new connection goes to any of
//! them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bff_tests::random::Random;
use tokio::time::timeout;

use crate::http::{Connection, Message};
use crate::world::World;

/// A connection is closed after this many requests on average: browsers close idle ones, and networks change.
const REQUESTS_ON_A_CONNECTION: usize = 5;
/// Longer than Envoy's route waits for the service.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A response, and the number of the connection on which it came.
pub(crate) struct Received {
    pub(crate) response: Message,
    pub(crate) connection: u64,
}

/// See the [module](self).
pub(crate) struct Line {
    world: Arc<World>,
    random: Random,
    open: Option<(Connection, u64)>,
}

impl Line {
    pub(crate) fn new(world: &Arc<World>, seed: u64) -> Self {
        Self {
            world: Arc::clone(world),
            random: Random::new(seed),
            open: None,
        }
    }

    /// Sends a request and waits for its response. Like a browser, it repeats a request that may be repeated if an open
    /// connection turns out to be closed.
    ///
    /// # Errors
    /// There was no response within thirty seconds.
    pub(crate) async fn exchange(&mut self, request: &[u8], may_repeat: bool) -> io::Result<Received> {
        if self.random.is_one_in(REQUESTS_ON_A_CONNECTION) {
            self.open = None;
        }
        let was_open = self.open.is_some();
        match self.once(request).await {
            Err(_) if was_open && may_repeat => self.once(request).await,
            result => result,
        }
    }

    async fn once(&mut self, request: &[u8]) -> io::Result<Received> {
        let (mut stream, connection) = match self.open.take() {
            Some(open) => open,
            None => {
                let world = Arc::clone(&self.world);
                let (door, number) = world.new_connection(&mut self.random);
                (Connection::to(door.port).await?, number)
            }
        };
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let response = timeout(TIMEOUT, stream.exchange(request)).await.map_err(late)??;
        let closes = response.header("connection").iter().any(|value| value == "close");
        if !closes {
            self.open = Some((stream, connection));
        }
        Ok(Received { response, connection })
    }
}
