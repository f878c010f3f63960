//! The deployment: several Envoys and replicas, Redis, and the modelled authorization server, a process each.
//!
//! Envoy's configuration is the demo's (`envoy/envoy.yaml`) with these differences: one host without TLS, so that the two
//! cores of a small machine do the work that the run is about; no access log; more endpoints.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use bff_tests::program::is_up;
use demo_system::{Artifacts, Component, Options, System, free_port};
use serde_json::{Value, json};

use crate::part::Part;
use crate::settings::Settings;

/// How long a replica reports that it shuts down: longer than Envoy's health checks take to notice, in seconds.
const DRAIN_SECONDS: &str = "3";
/// How long an Envoy drains its connections before it is ended, in seconds.
pub(crate) const ENVOY_DRAIN_SECONDS: u64 = 4;

/// A listener and its admin interface, at loopback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) public: u16,
    pub(crate) admin: u16,
}

impl Ports {
    fn free() -> Self {
        Self {
            public: free_port(),
            admin: free_port(),
        }
    }
}

/// A running deployment. Dropping it ends its processes.
pub(crate) struct Deployment {
    pub(crate) envoys: Vec<(Ports, Part)>,
    pub(crate) replicas: Vec<(Ports, Part)>,
    pub(crate) redis: Part,
    redis_port: u16,
    pub(crate) model: Part,
    pub(crate) model_port: u16,
    model_control: u16,
    /// Files and secrets. None of its own processes runs.
    pub(crate) files: System,
}

impl Deployment {
    /// Starts everything and waits until it is ready. `api` is the address of the API.
    ///
    /// # Errors
    /// Names the part that does not start.
    pub(crate) fn start(settings: &Settings, folder: &Path, api: SocketAddr) -> Result<Self, String> {
        let artifacts = Artifacts::from_env().map_err(|error| error.to_string())?;
        let (model_port, model_control, redis_port) = (free_port(), free_port(), free_port());
        let mut options = Options::for_tests(folder);
        options.without = Component::ALL.to_vec();
        options.dial_authorization_server = Some(loopback(model_port));
        options.dial_api = Some(api);
        let files = System::start(&artifacts, options).map_err(|error| error.to_string())?;
        let logs = folder.join("logs");
        let model = start_model(settings, &logs, model_port, model_control)?;
        let redis = start_redis(&artifacts, &logs, files.directory(), redis_port)?;
        let replica_ports: Vec<Ports> = (0..Settings::REPLICAS).map(|_| Ports::free()).collect();
        let replicas = (1..).zip(&replica_ports).map(|(number, ports)| {
            let command = replica(settings, &artifacts, &files, *ports, model_port, redis_port);
            let part = start(format!("bff-service-{number}"), &logs, command, *ports, "/readyz");
            part.map(|part| (*ports, part))
        });
        let mut deployment = Self {
            replicas: replicas.collect::<Result<_, String>>()?,
            envoys: Vec::new(),
            redis,
            redis_port,
            model,
            model_port,
            model_control,
            files,
        };
        for number in 1..=settings.envoys {
            let ports = Ports::free();
            let command = deployment.envoy(&artifacts, number, ports, &replica_ports)?;
            let part = start(format!("envoy-{number}"), &logs, command, ports, "/ready")?;
            deployment.envoys.push((ports, part));
        }
        deployment.model.wait()?;
        deployment.redis.wait()?;
        for (_, part) in deployment.replicas.iter_mut().chain(&mut deployment.envoys) {
            part.wait()?;
        }
        Ok(deployment)
    }

    fn envoy(
        &self,
        artifacts: &Artifacts,
        number: u32,
        ports: Ports,
        replicas: &[Ports],
    ) -> Result<impl Fn() -> Command + Send + 'static, String> {
        let failed =
            |error: &dyn std::fmt::Display| format!("preparing the configuration of Envoy {number} failed: {error}");
        let folder = self.files.directory();
        let text = fs::read_to_string(folder.join("envoy.yaml")).map_err(|error| failed(&error))?;
        let mut configuration: Value = serde_saphyr::from_str(&text).map_err(|error| failed(&error))?;
        change(&mut configuration, ports, replicas);
        let file = folder.join(format!("envoy-{number}.yaml"));
        // JSON is YAML.
        fs::write(&file, configuration.to_string()).map_err(|error| failed(&error))?;
        let secrets = fs::read_to_string(folder.join("envoy.env")).map_err(|error| failed(&error))?;
        let words = artifacts.envoy.clone();
        Ok(move || {
            let mut words = words.iter();
            let mut command = Command::new(words.next().map(std::ffi::OsString::as_os_str).unwrap_or_default());
            command
                .args(words)
                .arg("-c")
                .arg(&file)
                .args(["--log-level", "warning", "--disable-hot-restart"])
                .args(["--concurrency", &Settings::WORKERS.to_string()])
                .args(["--drain-time-s", "2"])
                .envs(secrets.lines().filter_map(|line| line.split_once('=')));
            command
        })
    }

    /// What the modelled authorization server says at a path of its control port.
    ///
    /// # Errors
    /// It does not respond.
    pub(crate) fn ask_model(&self, path: &str) -> Result<Value, String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("the request to {path} of the modelled authorization server failed: {error}")
        };
        let (_, text) = demo_system::get(loopback(self.model_control), path).map_err(|error| failed(&error))?;
        serde_json::from_str(&text).map_err(|error| failed(&error))
    }

    /// A section of Redis' `INFO`: numbers by name. Those of commands are the numbers of their calls.
    ///
    /// # Errors
    /// It does not respond.
    pub(crate) fn redis_figures(&self, section: &str) -> Result<Vec<(String, u64)>, String> {
        let mut text = String::new();
        let asked = TcpStream::connect(loopback(self.redis_port)).and_then(|mut stream| {
            write!(stream, "INFO {section}\r\nQUIT\r\n")?;
            stream.read_to_string(&mut text)
        });
        asked.map_err(|error| format!("reading `INFO {section}` of Redis failed: {error}"))?;
        let figure = |line: &str| {
            let (name, value) = line.split_once(':')?;
            let value = value.strip_prefix("calls=").unwrap_or(value);
            Some((name.to_owned(), value.split(',').next()?.trim().parse().ok()?))
        };
        Ok(text.lines().filter_map(figure).collect())
    }
}

/// An address at loopback.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn start(
    name: String,
    logs: &Path,
    command: impl Fn() -> Command + Send + 'static,
    ports: Ports,
    path: &'static str,
) -> Result<Part, String> {
    let is_ready = move || is_up(loopback(ports.admin), path);
    Part::start(name, logs, Box::new(command), Box::new(is_ready))
}

fn start_model(settings: &Settings, logs: &Path, port: u16, control_port: u16) -> Result<Part, String> {
    let program = std::env::current_exe().map_err(|error| format!("finding this program failed: {error}"))?;
    let settings = settings.for_the_model(port, control_port).to_string();
    let command = move || {
        let mut command = Command::new(&program);
        command.args([crate::MODEL, &settings]);
        command
    };
    let ports = Ports {
        public: port,
        admin: control_port,
    };
    start(
        "modelled-authorization-server".to_owned(),
        logs,
        command,
        ports,
        "/counts",
    )
}

fn start_redis(artifacts: &Artifacts, logs: &Path, folder: &Path, port: u16) -> Result<Part, String> {
    let program = artifacts
        .redis
        .clone()
        .ok_or("missing redis-server: set BFF_TEST_REDIS, or run this with `cargo xtask scale`")?;
    let folder = folder.to_owned();
    let command = move || {
        let mut command = Command::new(&program);
        command
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(&folder);
        command
    };
    let is_ready = move || TcpStream::connect(loopback(port)).is_ok();
    Part::start("redis".to_owned(), logs, Box::new(command), Box::new(is_ready))
}

/// The demo's configuration, with what differs in its environment.
fn replica(
    settings: &Settings,
    artifacts: &Artifacts,
    files: &System,
    ports: Ports,
    model_port: u16,
    redis_port: u16,
) -> impl Fn() -> Command + Send + 'static {
    let (program, folder) = (artifacts.bff_service.clone(), files.directory().to_owned());
    let keys = files.cookie_keys_file();
    let variables = [
        ("BFF_DEMO", "true".to_owned()),
        ("BFF_SERVER__PORT", ports.public.to_string()),
        ("BFF_SERVER__ADMIN_PORT", ports.admin.to_string()),
        ("BFF_SERVER__WORKERS", Settings::WORKERS.to_string()),
        ("BFF_SERVER__DRAIN_SECONDS", DRAIN_SECONDS.to_owned()),
        (
            "BFF_AUTHORIZATION_SERVER__ISSUER",
            format!("http://127.0.0.1:{model_port}"),
        ),
        (
            "BFF_SESSION__REFRESH_REPLAY_SECONDS",
            settings.wall_replay_seconds().to_string(),
        ),
        ("BFF_REDIS_URL", format!("redis://127.0.0.1:{redis_port}")),
        ("BFF_REDIS__SESSION_AFFINITY", "true".to_owned()),
        // The default, 250 ms, is too short on a busy machine.
        ("BFF_REDIS__TIMEOUT_MS", "2000".to_owned()),
    ];
    move || {
        let mut command = Command::new(&program);
        command
            .arg("--config")
            .arg(folder.join("bff.toml"))
            .env("BFF_COOKIE_KEYS_FILE", &keys)
            .env("BFF_CLIENT_SECRET_FILE", folder.join("secrets/client-secret"))
            .envs(variables.clone());
        command
    }
}

/// See the [module](self).
fn change(configuration: &mut Value, ports: Ports, replicas: &[Ports]) {
    let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    configuration["admin"]["address"] = address(ports.admin);
    let resources = &mut configuration["static_resources"];
    let listener = &mut resources["listeners"][0];
    listener["address"] = address(ports.public);
    remove(listener, &["listener_filters", "listener_filters_timeout"]);
    if let Some(chains) = listener["filter_chains"].as_array_mut() {
        chains.truncate(1);
    }
    let chain = &mut listener["filter_chains"][0];
    remove(chain, &["transport_socket", "transport_socket_connect_timeout"]);
    remove(&mut chain["filters"][0]["typed_config"], &["access_log"]);
    let endpoints = |of: fn(&Ports) -> u16, health: bool| -> Value {
        let endpoints = replicas.iter().map(|ports| {
            let mut endpoint = json!({"address": address(of(ports))});
            if health {
                endpoint["health_check_config"] = json!({"port_value": ports.admin});
            }
            json!({"endpoint": endpoint})
        });
        endpoints.collect()
    };
    for cluster in resources["clusters"].as_array_mut().into_iter().flatten() {
        let found = match cluster["name"].as_str() {
            Some("bff_service") => endpoints(|ports| ports.public, true),
            Some("bff_admin") => endpoints(|ports| ports.admin, false),
            _ => continue,
        };
        cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = found;
    }
}

fn remove(of: &mut Value, names: &[&str]) {
    if let Some(members) = of.as_object_mut() {
        members.retain(|name, _| !names.contains(&name.as_str()));
    }
}
