//! `cargo xtask compose`: starts the demo in containers, checks it, and removes all of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use demo_system::{Options, files};

use crate::result::Result;
use crate::tools::docker::{Docker, KINDS, State};
use crate::tools::node::Node;
use crate::walkthrough::Walkthrough;
use crate::{command, up, workspace};

/// A project name of its own, so that a demo started from the same file is not affected.
const PROJECT: &str = "bff-check";
/// As in docker-compose.yml.
const REPLICAS: usize = 2;
const HEALTHY_WITHIN: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(500);

/// The command line.
#[derive(Default)]
pub(crate) struct Flags {
    check: bool,
    drill: bool,
}

impl Flags {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Flags> {
        let mut flags = Flags::default();
        for argument in arguments {
            match *argument {
                "--check" => flags.check = true,
                "--drill" => flags.drill = true,
                other => {
                    return Err(format!(
                        "invalid argument `{other}` of compose: write --check, --drill or both"
                    ));
                }
            }
        }
        match flags.check || flags.drill {
            true => Ok(flags),
            false => Err(
                "missing argument of compose: write --check, --drill or both, which remove the containers afterwards, or run \
                 `docker compose up --build` to use the demo"
                    .to_owned(),
            ),
        }
    }
}

pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    let options = up::options()?;
    let docker = Docker::find(PROJECT)?;
    let walkthrough = match flags.check {
        true => Some(Walkthrough::prepare(Node::find()?)?),
        false => None,
    };
    // The running commands receive the signal too and fail. The containers are removed even then.
    let interrupted = Arc::new(AtomicBool::new(false));
    command::set_when_interrupted(&interrupted)?;
    docker.run("building the images (takes a few minutes the first time)", &["build"])?;
    let containers = Containers { docker };
    // A killed run may have left containers.
    containers.down()?;
    let result = containers.look(&flags, &options, walkthrough.as_ref(), &interrupted);
    if result.is_err() {
        containers.show_logs();
    }
    containers.down()?;
    containers.check_nothing_is_left()?;
    result
}

struct Containers {
    docker: Docker,
}

impl Containers {
    fn look(
        &self,
        flags: &Flags,
        options: &Options,
        walkthrough: Option<&Walkthrough>,
        interrupted: &AtomicBool,
    ) -> Result<ExitCode> {
        self.docker
            .run("starting the containers", &["up", "--detach", "--no-build"])?;
        self.wait_until_healthy(interrupted)?;
        let ca = self.ca()?;
        let mut code = ExitCode::SUCCESS;
        if let Some(walkthrough) = walkthrough {
            code = walkthrough.run(options, &ca)?;
        }
        if flags.drill && code == ExitCode::SUCCESS {
            drill(options, &ca)?;
        }
        Ok(code)
    }

    fn wait_until_healthy(&self, interrupted: &AtomicBool) -> Result<()> {
        command::progress("waiting until all containers are healthy");
        let started = Instant::now();
        loop {
            let states = self.docker.states()?;
            match verdict(&states) {
                Verdict::Healthy => return Ok(()),
                Verdict::Failed(what) => return Err(what),
                Verdict::Starting(what) if interrupted.load(Ordering::Relaxed) => {
                    return Err(format!("interrupted while waiting for healthy containers: {what}"));
                }
                Verdict::Starting(what) if started.elapsed() > HEALTHY_WITHIN => {
                    return Err(format!(
                        "waiting for healthy containers timed out after {} s: {what}: see the last lines of the logs above",
                        HEALTHY_WITHIN.as_secs()
                    ));
                }
                Verdict::Starting(_) => std::thread::sleep(POLL),
            }
        }
    }

    /// The CA's certificate, copied out of the container that created it.
    fn ca(&self) -> Result<PathBuf> {
        let folder = workspace::target().join("compose");
        files::create_dir(&folder)?;
        let ca = folder.join("ca.pem");
        self.docker.copy("setup", "/setup/public/ca.pem", &ca)?;
        Ok(ca)
    }

    fn show_logs(&self) {
        // The earlier failure is the error, which a failure here would hide.
        let _ = self
            .docker
            .run("showing the last lines of the logs", &["logs", "--tail=40"]);
    }

    fn down(&self) -> Result<()> {
        self.docker.run(
            "removing the containers",
            &["down", "--volumes", "--remove-orphans", "--timeout=5"],
        )
    }

    fn check_nothing_is_left(&self) -> Result<()> {
        for kind in KINDS {
            let left = self.docker.list(kind)?;
            if !left.is_empty() {
                return Err(format!(
                    "removing the containers failed: a {kind} is left: run `docker {kind} rm {}`",
                    left.join(" ")
                ));
            }
        }
        command::progress(&format!(
            "removed all containers, networks and volumes of the project {PROJECT}"
        ));
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Healthy,
    Starting(String),
    Failed(String),
}

fn verdict(states: &[State]) -> Verdict {
    let is_done = |status: &str| status.starts_with("Exited (0)");
    let failed = states.iter().find(|(service, status)| {
        let has_ended = status.starts_with("Exited") || status.starts_with("Dead");
        (has_ended && !(service == "setup" && is_done(status))) || status.contains("(unhealthy)")
    });
    if let Some((service, status)) = failed {
        return Verdict::Failed(format!(
            "the container of {service} failed: {status}: see the last lines of the logs above"
        ));
    }
    let replicas = states.iter().filter(|(service, _)| service == "bff").count();
    let waiting = states
        .iter()
        .find(|(service, status)| service != "setup" && !status.contains("(healthy)"));
    match waiting {
        Some((service, status)) => Verdict::Starting(format!("{service}: {status}")),
        None if replicas < REPLICAS => {
            Verdict::Starting(format!("{replicas} of {REPLICAS} replicas of the service are running"))
        }
        None => Verdict::Healthy,
    }
}

/// The failure drill is a test: `tests/tests/containers.rs`.
fn drill(options: &Options, ca: &Path) -> Result<()> {
    command::run(
        "killing a replica under load",
        command::cargo()
            .args(["test", "--package", "bff-tests", "--test", "containers", "--"])
            .args(["--ignored", "--nocapture"])
            .env("BFF_CONTAINERS", PROJECT)
            .env("BFF_CONTAINERS_CA", ca)
            .env("BFF_CONTAINERS_DOMAIN", &options.domain)
            .env("BFF_CONTAINERS_PORT", options.ports.public.to_string())
            .current_dir(workspace::root()),
        "see the report of the test above",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(list: &[(&str, &str)]) -> Vec<State> {
        list.iter()
            .map(|(service, status)| ((*service).to_owned(), (*status).to_owned()))
            .collect()
    }

    #[test]
    fn containers_are_healthy_when_each_is_and_both_replicas_are_there() {
        let mut list = vec![
            ("setup", "Exited (0) 5 seconds ago"),
            ("envoy", "Up 4 seconds (healthy)"),
            ("bff", "Up 1 second (healthy)"),
        ];
        assert!(matches!(verdict(&states(&list)), Verdict::Starting(what) if what.starts_with("1 of 2")));
        list.push(("bff", "Up 1 second (health: starting)"));
        assert!(matches!(verdict(&states(&list)), Verdict::Starting(what) if what.contains("health: starting")));
        list[3].1 = "Up 2 seconds (healthy)";
        assert_eq!(verdict(&states(&list)), Verdict::Healthy);
    }

    #[test]
    fn a_container_that_has_ended_or_is_unhealthy_is_named() {
        for (service, status) in [
            ("setup", "Exited (1) 1 second ago"),
            ("envoy", "Exited (0) 1 second ago"),
            ("api", "Up 1 minute (unhealthy)"),
        ] {
            assert!(matches!(verdict(&states(&[(service, status)])), Verdict::Failed(what) if what.contains(service)));
        }
    }

    #[test]
    fn a_call_that_would_only_start_and_stop_is_told_what_to_say() {
        let error = Flags::parse(&[]).err().expect("refused");
        assert!(error.contains("docker compose up --build"), "{error}");
        assert!(Flags::parse(&["--check", "--drill"]).is_ok());
    }
}
