//! The sizes of a run, and its two clocks: that of the wall, and that of the simulated users, which is faster.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

/// The lifetime of an access token, in simulated seconds.
const TOKEN_SECONDS: f64 = 300.0;
/// How long the authorization server is away, in simulated seconds.
const AWAY_SECONDS: f64 = 120.0;

/// The sizes of a run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Sessions whose cookies are sealed before the run.
    pub(crate) sealed: u32,
    /// Sessions that sign in through the flow, spread over a pass.
    pub(crate) sign_ins: u32,
    /// The length of a pass, in minutes on the wall.
    pub(crate) minutes: f64,
    /// How many simulated seconds one second on the wall has.
    pub(crate) factor: f64,
    /// Visits that begin in a second on the wall.
    pub(crate) visits_per_second: f64,
    /// Requests to each endpoint of the authorization server in a second on the wall, above which it answers HTTP 429.
    pub(crate) limit_per_second: f64,
    /// The service's `session.refresh_replay_seconds`, in simulated seconds.
    pub(crate) replay_seconds: f64,
    /// The number of Envoys, at least 2.
    pub(crate) envoys: u32,
    /// The seed of all choices of the users.
    pub(crate) seed: u64,
    /// The folder of configuration and logs.
    pub(crate) folder: PathBuf,
    /// The page that the run writes. `None`: the figures are only on standard output.
    pub(crate) page: Option<PathBuf>,
}

impl Settings {
    /// Replicas of the service.
    pub(crate) const REPLICAS: usize = 3;
    /// Worker threads of each Envoy, and of each replica.
    pub(crate) const WORKERS: u32 = 2;
    /// The latency of the authorization server. It is a time of the network, so the factor does not change it.
    pub(crate) const LATENCY: Duration = Duration::from_millis(50);

    /// Reads `--NAME VALUE` pairs.
    ///
    /// # Errors
    /// Names the argument.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut settings = Self {
            sealed: 100_000,
            sign_ins: 2_000,
            minutes: 5.0,
            factor: 10.0,
            visits_per_second: 40.0,
            limit_per_second: 250.0,
            replay_seconds: 30.0,
            envoys: 4,
            seed: 1,
            folder: PathBuf::from("target/scale"),
            page: None,
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest
                .next()
                .ok_or_else(|| format!("missing value of {name}: write it after {name}"))?;
            let number = || {
                let number = value.parse::<f64>().ok().filter(|number| *number > 0.0);
                number.ok_or_else(|| format!("invalid {name}: write a positive number"))
            };
            let count = || {
                value
                    .parse::<u32>()
                    .map_err(|_| format!("invalid {name}: write an integer from 0 to 4294967295"))
            };
            match name.as_str() {
                "--sessions" => settings.sealed = count()?,
                "--sign-ins" => settings.sign_ins = count()?,
                "--minutes" => settings.minutes = number()?,
                "--factor" => settings.factor = number()?,
                "--visits-per-second" => settings.visits_per_second = number()?,
                "--limit-per-second" => settings.limit_per_second = number()?,
                "--replay-seconds" => settings.replay_seconds = number()?,
                "--envoys" => settings.envoys = count()?.max(2),
                "--seed" => settings.seed = count()?.into(),
                "--folder" => settings.folder = PathBuf::from(value),
                "--page" => settings.page = Some(PathBuf::from(value)),
                unknown => {
                    return Err(format!(
                        "invalid argument `{unknown}`: write --sessions, --sign-ins, --minutes, --factor, \
                         --visits-per-second, --limit-per-second, --replay-seconds, --envoys, --seed, --folder or \
                         --page"
                    ));
                }
            }
        }
        Ok(settings)
    }

    /// A time of the users or of tokens, on the wall.
    pub(crate) fn simulated(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds / self.factor)
    }

    /// The lifetime of an access token on the wall, in whole seconds: cookies and tokens have no shorter unit.
    pub(crate) fn token_lifetime(&self) -> Duration {
        Duration::from_secs(whole_seconds(self.simulated(TOKEN_SECONDS)))
    }

    /// How long the authorization server is away, on the wall.
    pub(crate) fn outage(&self) -> Duration {
        self.simulated(AWAY_SECONDS)
    }

    /// The service's `session.refresh_replay_seconds`, on the wall.
    pub(crate) fn wall_replay_seconds(&self) -> u64 {
        whole_seconds(self.simulated(self.replay_seconds))
    }

    /// The length of a pass on the wall.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }

    /// What the process of the modelled authorization server needs to know.
    pub(crate) fn for_the_model(&self, port: u16, control_port: u16) -> Value {
        json!({
            "port": port,
            "control_port": control_port,
            "sealed": self.sealed,
            "token_seconds": self.token_lifetime().as_secs(),
            "latency_ms": u64::try_from(Self::LATENCY.as_millis()).unwrap_or(u64::MAX),
            "limit_per_second": self.limit_per_second,
        })
    }
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs_f64().round().max(1.0) as u64
}
