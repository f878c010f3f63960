//! What happens in the middle of a pass.

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use bff_tests::http1::{Request, send_plain};

use crate::deployment::{Deployment, ENVOY_DRAIN_SECONDS, loopback};
use crate::modelled_authorization_server::now_ms;
use crate::world::World;

/// How long it takes until something notices that a killed replica is gone, and starts it again.
const NOTICED_AFTER: Duration = Duration::from_secs(2);

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A replica gets SIGTERM, and another one takes its place: at the same address, which Envoy's configuration names.
    ReplicaReplaced,
    /// An Envoy gets no new connections, drains those that it has, and gets SIGTERM. Another one takes its place.
    EnvoyReplaced,
    /// A replica gets SIGKILL.
    ReplicaKilled,
    /// The authorization server is away.
    ServerAway,
}

/// The events in their order, each with its beginning as a share of the pass.
pub(crate) const ALL: [(Event, f64); 4] = [
    (Event::ReplicaReplaced, 0.2),
    (Event::EnvoyReplaced, 0.35),
    (Event::ReplicaKilled, 0.5),
    (Event::ServerAway, 0.65),
];

impl Event {
    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ReplicaReplaced => "a replica replaced (SIGTERM)",
            Self::EnvoyReplaced => "an Envoy replaced (SIGTERM)",
            Self::ReplicaKilled => "a replica killed (SIGKILL)",
            Self::ServerAway => "the authorization server away",
        }
    }
}

/// An event that has happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happened {
    pub(crate) event: Event,
    /// Milliseconds since 1970: of SIGTERM, SIGKILL, or the last moment at which the server listened.
    pub(crate) at: u64,
    /// Until everything is in place again.
    pub(crate) took: Duration,
}

/// Lets them all happen, each at its time.
///
/// # Errors
/// A part does not start again.
pub(crate) fn run(deployment: &mut Deployment, world: &World) -> Result<Vec<Happened>, String> {
    let mut happened = Vec::new();
    for (event, share) in ALL {
        let begins = world.started + world.settings.length().mul_f64(share);
        sleep(begins.saturating_duration_since(std::time::Instant::now()));
        eprintln!("    {}", event.name());
        let begun = std::time::Instant::now();
        let at = match event {
            Event::ReplicaReplaced => replace_replica(deployment)?,
            Event::EnvoyReplaced => replace_envoy(deployment, world)?,
            Event::ReplicaKilled => kill_replica(deployment)?,
            Event::ServerAway => {
                let at = now_ms();
                deployment.ask_model("/away")?;
                sleep(world.settings.outage());
                deployment.ask_model("/back")?;
                at
            }
        };
        happened.push(Happened {
            event,
            at,
            took: begun.elapsed(),
        });
    }
    Ok(happened)
}

fn replace_replica(deployment: &mut Deployment) -> Result<u64, String> {
    let (_, replica) = deployment
        .replicas
        .first_mut()
        .ok_or("replacing a replica failed: the deployment has none")?;
    let at = now_ms();
    let took = replica.terminate();
    eprintln!("      the replica has exited after {:.1} s", took.as_secs_f64());
    replica.start_again()?;
    replica.wait()?;
    Ok(at)
}

fn replace_envoy(deployment: &mut Deployment, world: &World) -> Result<u64, String> {
    let missing = "replacing an Envoy failed: the deployment has none";
    let (ports, envoy) = deployment.envoys.first_mut().ok_or(missing)?;
    let door = world.doors.first().ok_or(missing)?;
    door.open.store(false, Ordering::Relaxed);
    send_plain(
        loopback(ports.admin),
        &Request::new("POST", "/drain_listeners?graceful"),
    )
    .map_err(|error| format!("draining {} failed: {error}", envoy.name))?;
    sleep(Duration::from_secs(ENVOY_DRAIN_SECONDS));
    let at = now_ms();
    envoy.terminate();
    envoy.start_again()?;
    envoy.wait()?;
    door.open.store(true, Ordering::Relaxed);
    Ok(at)
}

fn kill_replica(deployment: &mut Deployment) -> Result<u64, String> {
    let (_, replica) = deployment
        .replicas
        .get_mut(1)
        .ok_or("killing a replica failed: the deployment has no second one")?;
    let at = now_ms();
    replica.kill();
    sleep(NOTICED_AFTER);
    replica.start_again()?;
    replica.wait()?;
    Ok(at)
}
