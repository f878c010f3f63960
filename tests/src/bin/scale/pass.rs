//! One pass: a deployment of its own, and all visits of the plan, with or without the events.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bff_tests::random::Random;
use bff_tests::sealing::Seals;
use serde_json::Value;

use crate::deployment::Deployment;
use crate::events::{self, Event, Happened};
use crate::figures::{envoys_reached, envoys_reached_on_average};
use crate::ledger::{self, Account};
use crate::part::{Part, own_cpu_seconds};
use crate::session::Session;
use crate::settings::Settings;
use crate::world::{Door, Notes, World};
use crate::{api, population};

/// How long the deployment is watched before anybody uses it.
const IDLE: Duration = Duration::from_secs(10);

/// What a process has used.
pub(crate) struct Used {
    pub(crate) name: String,
    pub(crate) cpu_seconds: f64,
    /// The largest resident set; 0: not measured.
    pub(crate) peak_mib: f64,
}

/// The results of a pass.
pub(crate) struct Pass {
    pub(crate) notes: Notes,
    pub(crate) happened: Vec<Happened>,
    /// Each session that was lost.
    pub(crate) accounts: Vec<Account>,
    /// Refreshes that were in progress at the SIGKILL.
    pub(crate) in_progress_at_kill: usize,
    /// What the modelled authorization server has counted.
    pub(crate) server: Value,
    pub(crate) redis_commands: u64,
    /// Commands of a deployment that nobody uses.
    pub(crate) redis_idle_per_second: f64,
    pub(crate) redis_peak_bytes: u64,
    pub(crate) used: Vec<Used>,
    /// From the first visit to the last one's end.
    pub(crate) took: Duration,
}

impl Pass {
    /// Runs a pass.
    ///
    /// # Errors
    /// A part does not start, or does not respond at the end.
    pub(crate) fn run(settings: &Settings, with_events: bool) -> Result<Self, String> {
        let name = if with_events { "with-events" } else { "quiet" };
        eprintln!("==> running the pass {name}");
        let folder = settings.folder.join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("logs"))
            .map_err(|error| format!("creating {} failed: {error}", folder.display()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| format!("starting the runtime failed: {error}"))?;
        let api = runtime.block_on(api::start())?;
        let mut deployment = Deployment::start(settings, &folder, api)?;
        eprintln!("    sealing {} sessions", settings.sealed);
        let (idle_since, idle_before) = (Instant::now(), commands(&deployment)?);
        let world = world(settings, &deployment)?;
        std::thread::sleep(IDLE.saturating_sub(idle_since.elapsed()));
        let idle_commands = commands(&deployment)?.saturating_sub(idle_before) as f64;
        let redis_idle_per_second = idle_commands / idle_since.elapsed().as_secs_f64();
        let world = Arc::new(world.begun_now());
        let (own_before, before) = (own_cpu_seconds(), used(&mut deployment));
        let redis_before = commands(&deployment)?;
        eprintln!(
            "    beginning {} visits a second for {:.0} s",
            settings.visits_per_second,
            settings.length().as_secs_f64()
        );
        let begun = Instant::now();
        let visits = runtime.spawn(population::run(Arc::clone(&world)));
        let happened = match with_events {
            true => events::run(&mut deployment, &world)?,
            false => Vec::new(),
        };
        runtime
            .block_on(visits)
            .map_err(|error| format!("running the visits failed: {error}"))?;
        let took = begun.elapsed();
        let mut used = used(&mut deployment);
        for (now, before) in used.iter_mut().zip(before) {
            now.cpu_seconds -= before.cpu_seconds;
        }
        used.push(Used {
            name: "browsers and API (this program)".to_owned(),
            cpu_seconds: own_cpu_seconds() - own_before,
            peak_mib: 0.0,
        });
        let notes = std::mem::take(&mut *world.notes());
        let killed_at = happened
            .iter()
            .find(|happened| happened.event == Event::ReplicaKilled)
            .map(|it| it.at);
        let accounts = notes.losses.iter().map(|loss| {
            let uses = match loss.family {
                Some(family) => deployment.ask_model(&format!("/uses?{family}"))?,
                None => Value::Null,
            };
            Ok(ledger::account(loss, &uses, killed_at))
        });
        let is_cut = |refresh: &&(u64, u64)| killed_at.is_some_and(|at| refresh.0 <= at && at <= refresh.1);
        let redis_peak_bytes = figure(&deployment.redis_figures("memory")?, "used_memory_peak");
        Ok(Self {
            accounts: accounts.collect::<Result<_, String>>()?,
            in_progress_at_kill: notes.refreshes.iter().filter(is_cut).count(),
            server: deployment.ask_model("/counts")?,
            redis_commands: commands(&deployment)?.saturating_sub(redis_before),
            redis_idle_per_second,
            redis_peak_bytes,
            notes,
            happened,
            used,
            took,
        })
    }

    /// A number of the server; 0 if it counted none.
    pub(crate) fn at_server(&self, name: &str) -> u64 {
        self.server["by_name"][name].as_u64().unwrap_or(0)
    }

    /// A number of the pages; 0 if they counted none.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        self.notes.counts.get(name).copied().unwrap_or(0)
    }

    /// Different access tokens that were used in calls of the API: the fewest introspections that are possible.
    pub(crate) fn tokens_used(&self) -> u64 {
        self.notes.connections.len() as u64
    }

    /// Connections on which an access token was used, on average.
    pub(crate) fn connections_of_a_token(&self) -> f64 {
        let connections: usize = self.notes.connections.values().map(|of| of.len()).sum();
        connections as f64 / (self.notes.connections.len() as f64).max(1.0)
    }

    /// The introspections that the formula predicts from every token's own number of connections, and from their average.
    pub(crate) fn predicted_introspections(&self, envoys: u32) -> (f64, f64) {
        let envoys = f64::from(envoys);
        let each = self
            .notes
            .connections
            .values()
            .map(|of| envoys_reached(envoys, of.len() as f64));
        let by_average = envoys_reached_on_average(envoys, self.connections_of_a_token()) * self.tokens_used() as f64;
        (each.sum(), by_average)
    }

    /// CPU time in seconds and the largest resident set in MiB of all processes whose names begin with this.
    pub(crate) fn used_by(&self, name: &str) -> (f64, f64) {
        let of = self.used.iter().filter(|used| used.name.starts_with(name));
        of.fold((0.0, 0.0), |(cpu, peak): (f64, f64), used| {
            (cpu + used.cpu_seconds, peak.max(used.peak_mib))
        })
    }
}

fn world(settings: &Settings, deployment: &Deployment) -> Result<World, String> {
    let seals = Seals::of(&deployment.files, "example");
    let mut random = Random::new(settings.seed);
    let sessions = (0..settings.sealed).map(|family| Session::sealed(&seals, settings, family, &mut random));
    let doors = deployment.envoys.iter().map(|(ports, _)| Door {
        port: ports.public,
        open: true.into(),
    });
    let options = deployment.files.options();
    let names = (
        format!("api.{}:{}", options.domain, options.ports.public),
        deployment.files.www(),
    );
    Ok(World::new(
        settings.clone(),
        names,
        deployment.model_port,
        doors.collect(),
        sessions.collect(),
    ))
}

fn used(deployment: &mut Deployment) -> Vec<Used> {
    let Deployment {
        envoys,
        replicas,
        redis,
        model,
        ..
    } = deployment;
    let parts = envoys.iter_mut().chain(replicas).map(|(_, part)| part);
    let of = |part: &mut Part| Used {
        name: part.name.clone(),
        cpu_seconds: part.cpu_seconds(),
        peak_mib: part.peak_mib(),
    };
    parts.chain([redis, model]).map(of).collect()
}

/// Commands that Redis has executed, without those of this program.
fn commands(deployment: &Deployment) -> Result<u64, String> {
    let figures: BTreeMap<String, u64> = deployment.redis_figures("commandstats")?.into_iter().collect();
    let of_clients = figures
        .iter()
        .filter(|(name, _)| name.starts_with("cmdstat_") && *name != "cmdstat_info");
    Ok(of_clients.map(|(_, calls)| calls).sum())
}

fn figure(figures: &[(String, u64)], name: &str) -> u64 {
    let found = figures.iter().find(|(found, _)| found == name);
    found.map_or(0, |(_, value)| *value)
}
