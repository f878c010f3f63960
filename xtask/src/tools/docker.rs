//! Docker: the engine that responds, and Compose as a plugin or as a program of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::result::Result;
use crate::{command, workspace};

const INSTALL: &str = "install Docker Engine with its Compose plugin (https://docs.docker.com/engine/install; on Debian: \
                       `apt-get install docker.io docker-compose`), start it, and check that \
                       `docker version` shows a server";

/// The kinds of resources in a Compose project.
pub(crate) const KINDS: [&str; 3] = ["container", "network", "volume"];

/// A container as the engine lists it: its service, and its status such as `Up 3 seconds (healthy)`.
pub(crate) type State = (String, String);

/// Compose with a project of this repository's file.
pub(crate) struct Docker {
    docker: PathBuf,
    /// The program and its leading arguments.
    compose: Vec<PathBuf>,
    project: &'static str,
}

impl Docker {
    /// Finds a running engine, and Compose.
    pub(crate) fn find(project: &'static str) -> Result<Docker> {
        let docker = command::find("docker").ok_or_else(|| format!("missing docker: {INSTALL}"))?;
        let version = Command::new(&docker)
            .args(["version", "--format", "{{.Server.Version}}"])
            .output();
        match version {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                return Err(format!(
                    "connecting to the Docker engine failed: {}: {INSTALL}",
                    why.trim()
                ));
            }
            Err(error) => return Err(format!("starting {} failed: {error}: {INSTALL}", docker.display())),
        }
        let plugin = command::read_output(Command::new(&docker).args(["compose", "version"])).is_some();
        let compose = match plugin {
            true => vec![docker.clone(), "compose".into()],
            false => {
                vec![command::find("docker-compose").ok_or_else(|| format!("missing Docker Compose: {INSTALL}"))?]
            }
        };
        Ok(Docker {
            docker,
            compose,
            project,
        })
    }

    /// Runs a command of Compose.
    pub(crate) fn run(&self, step: &str, arguments: &[&str]) -> Result<()> {
        let mut words = self.compose.iter();
        let mut compose = Command::new(
            words
                .next()
                .ok_or_else(|| format!("missing Docker Compose: {INSTALL}"))?,
        );
        compose
            .args(words)
            .arg("--project-name")
            .arg(self.project)
            .arg("--file")
            .arg(workspace::path("docker-compose.yml"))
            .args(arguments)
            // The Dockerfile keeps compiled crates in cache mounts, which older engines support only with BuildKit.
            .env("DOCKER_BUILDKIT", "1")
            .env("COMPOSE_DOCKER_CLI_BUILD", "1")
            .current_dir(workspace::root());
        command::run(step, &mut compose, "see the message of Docker above")
    }

    /// The project's containers.
    pub(crate) fn states(&self) -> Result<Vec<State>> {
        let format = "{{.Label \"com.docker.compose.service\"}}\t{{.Status}}";
        let text = self.ask(&["ps", "--all", "--filter", &self.label(), "--format", format])?;
        let pairs = text.lines().filter_map(|line| line.split_once('\t'));
        Ok(pairs
            .map(|(service, status)| (service.to_owned(), status.to_owned()))
            .collect())
    }

    /// The names of the project's containers, networks or volumes.
    pub(crate) fn list(&self, kind: &str) -> Result<Vec<String>> {
        let text = match kind {
            "container" => self.ask(&["ps", "--all", "--filter", &self.label(), "--format", "{{.Names}}"])?,
            kind => self.ask(&[kind, "ls", "--filter", &self.label(), "--format", "{{.Name}}"])?,
        };
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Copies a file out of a service's container, running or not.
    pub(crate) fn copy(&self, service: &str, from: &str, to: &Path) -> Result<()> {
        let of_service = format!("label=com.docker.compose.service={service}");
        let filters = ["--filter", &self.label(), "--filter", &of_service];
        let id = self.ask(&[&["ps", "--all", "--quiet"], filters.as_slice()].concat())?;
        let mut copy = Command::new(&self.docker);
        copy.arg("cp").arg(format!("{id}:{from}")).arg(to);
        match command::read_output(&mut copy) {
            Some(_) => Ok(()),
            None => Err(format!(
                "copying {from} out of the container of {service} failed: see its log above"
            )),
        }
    }

    fn label(&self) -> String {
        format!("label=com.docker.compose.project={}", self.project)
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        command::read_output(Command::new(&self.docker).args(arguments))
            .ok_or_else(|| format!("`docker {}` failed: run it to see why", arguments.join(" ")))
    }
}
