//! The system as a whole.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::artifacts::Artifacts;
use crate::certificates::Certificates;
use crate::commands::{self, Prepared};
use crate::component::Component;
use crate::error::Error;
use crate::native_module::with_native_module;
use crate::options::Options;
use crate::probe;
use crate::process::Process;
use crate::secrets::Secrets;
use crate::{bff_config, envoy_config, files};

/// A running system. Dropping it stops its processes, the last one started first.
///
/// All methods take `&self`: one system may be shared by many tests.
#[derive(Debug)]
pub struct System {
    prepared: Prepared,
    /// In the order in which they were started.
    processes: Mutex<Vec<(Component, Process)>>,
    /// How often Envoy was replaced.
    envoy_epoch: AtomicU32,
}

impl System {
    /// Prepares the directory, then starts the components one after the other and waits for each until it is ready.
    ///
    /// # Errors
    /// No process stays running.
    ///
    /// * Options with which no system can start, such as a port that is in use.
    /// * A file that cannot be read or written.
    /// * A component that exits or is not ready within a minute, with the end of its log.
    /// * `options.interrupted`.
    pub fn start(artifacts: &Artifacts, options: Options) -> Result<System, Error> {
        options.check()?;
        let prepared = prepare(artifacts, options)?;
        let system = System {
            prepared,
            processes: Mutex::default(),
            envoy_epoch: AtomicU32::new(0),
        };
        for component in Component::ALL {
            if system.options().has(component) {
                system.resume(component)?;
            }
        }
        Ok(system)
    }

    /// The origin of the single page application.
    pub fn www(&self) -> String {
        self.options().origin("www")
    }

    /// The origin of the service (`/bff`) and of the business API (`/api`).
    pub fn api(&self) -> String {
        self.options().api_origin()
    }

    /// The origin of the authorization server, which is also its issuer identifier.
    pub fn login(&self) -> String {
        self.options().origin("login")
    }

    /// The options of this system.
    pub fn options(&self) -> &Options {
        &self.prepared.options
    }

    /// The address of Envoy's TLS listener, to which the names above resolve.
    pub fn public_addr(&self) -> SocketAddr {
        loopback(self.options().ports.public)
    }

    /// Envoy's admin interface.
    pub fn envoy_admin(&self) -> SocketAddr {
        loopback(self.options().ports.envoy_admin)
    }

    /// The admin listener of the service: health, readiness and metrics.
    pub fn bff_admin(&self) -> SocketAddr {
        loopback(self.options().ports.bff_admin)
    }

    /// The service without Envoy in front.
    pub fn bff_addr(&self) -> SocketAddr {
        loopback(self.options().ports.bff)
    }

    /// The second replica of the service without Envoy in front, and its admin listener.
    pub fn second_bff(&self) -> (SocketAddr, SocketAddr) {
        let ports = &self.options().ports;
        (loopback(ports.second_bff), loopback(ports.second_bff_admin))
    }

    /// The authorization server itself, whatever address Envoy dials for it.
    pub fn authorization_server_addr(&self) -> SocketAddr {
        loopback(self.options().ports.authorization_server)
    }

    /// The business API itself, whatever address Envoy dials for it.
    pub fn api_addr(&self) -> SocketAddr {
        loopback(self.options().ports.api)
    }

    /// The certificate authority that clients must trust, in PEM.
    pub fn ca_pem(&self) -> PathBuf {
        self.prepared.certificates.ca.clone()
    }

    /// The file with the key ring that seals the cookies.
    pub fn cookie_keys_file(&self) -> PathBuf {
        self.prepared.secrets.cookie_keys.clone()
    }

    /// The directory of certificates, secrets, configuration and logs. Absolute.
    pub fn directory(&self) -> &Path {
        &self.prepared.options.directory
    }

    /// A component's log: both of its outputs, kept over restarts, empty at the start of the system.
    pub fn log(&self, component: Component) -> PathBuf {
        self.prepared.log(component)
    }

    /// The process id of a running component.
    pub fn pid(&self, component: Component) -> Option<u32> {
        let processes = self.processes();
        let found = processes.iter().find(|(other, _)| *other == component);
        found.map(|(_, process)| process.id())
    }

    /// Asks a component to exit (SIGTERM), waits until it has exited, and kills it after 25 seconds. Does nothing if it is
    /// stopped.
    pub fn stop(&self, component: Component) {
        if let Some(mut process) = self.take(component) {
            process.stop();
        }
    }

    /// Kills a component at once (SIGKILL). Does nothing if it is stopped.
    pub fn kill(&self, component: Component) {
        if let Some(mut process) = self.take(component) {
            process.kill();
        }
    }

    /// Starts a stopped component with the same ports and configuration, and waits until it is ready. Does
    /// nothing if it runs.
    ///
    /// # Errors
    /// As [`System::start`].
    pub fn resume(&self, component: Component) -> Result<(), Error> {
        if self.pid(component).is_some() {
            return Ok(());
        }
        let mut process = self.start_process(component)?;
        process.wait_until(|| self.is_ready(component), &self.options().interrupted)?;
        self.processes().push((component, process));
        Ok(())
    }

    /// Like [`System::resume`], without waiting: what the component needs may be stopped as well.
    ///
    /// # Errors
    /// The component's program cannot be started, or its log cannot be opened.
    pub fn launch(&self, component: Component) -> Result<(), Error> {
        if self.pid(component).is_none() {
            let process = self.start_process(component)?;
            self.processes().push((component, process));
        }
        Ok(())
    }

    fn start_process(&self, component: Component) -> Result<Process, Error> {
        if component == Component::Envoy {
            self.envoy_epoch.store(0, Ordering::Relaxed);
        }
        let command = self.prepared.command(component, 0)?;
        Process::start(component, command, &self.log(component))
    }

    /// Replaces Envoy by a new process that takes over its sockets (hot restart), and waits until the old process has drained
    /// its connections and has exited. Needs [`Options::envoy_hot_restart`].
    ///
    /// # Errors
    /// As [`System::start`].
    pub fn replace_envoy(&self) -> Result<(), Error> {
        let component = Component::Envoy;
        let mut old = self
            .take(component)
            .ok_or_else(|| Error::new("Envoy is not running: start it with `System::resume`"))?;
        let epoch = self.envoy_epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let command = self.prepared.command(component, epoch)?;
        let mut process = Process::start(component, command, &self.log(component))?;
        // The old process may still respond.
        let is_new = || {
            let info = probe::get(self.envoy_admin(), "/server_info");
            info.is_ok_and(|(_, text)| text.contains(&format!("\"restart_epoch\": {epoch},")))
        };
        process.wait_until(|| is_new() && self.is_ready(component), &self.options().interrupted)?;
        self.processes().push((component, process));
        old.wait_for_end()
    }

    /// A component that has exited by itself: its name, exit status and the end of its log.
    pub fn failure(&self) -> Option<Error> {
        self.processes().iter_mut().find_map(|(_, process)| process.death())
    }

    /// The components that have exited by themselves, each with the error of [`System::failure`]. From now on they count as
    /// stopped.
    pub fn take_failures(&self) -> Vec<(Component, Error)> {
        let mut failures = Vec::new();
        self.processes().retain_mut(|(component, process)| {
            let death = process.death().map(|error| (*component, error));
            let runs = death.is_none();
            failures.extend(death);
            runs
        });
        failures
    }

    /// Whether a component runs and responds as it should.
    pub fn is_ready(&self, component: Component) -> bool {
        let is_up = |address, path| probe::get(address, path).is_ok_and(|(status, _)| status == 200);
        let ports = &self.options().ports;
        match component {
            Component::AuthorizationServer => {
                is_up(self.authorization_server_addr(), "/.well-known/openid-configuration")
            }
            Component::Api => is_up(self.api_addr(), "/healthz"),
            Component::WebHost => is_up(loopback(ports.web_host), "/"),
            Component::Envoy => is_up(self.envoy_admin(), "/ready"),
            Component::Bff => is_up(self.bff_admin(), self.bff_probe()),
            Component::SecondBff => is_up(loopback(ports.second_bff_admin), self.bff_probe()),
            Component::Redis => std::net::TcpStream::connect(loopback(ports.redis)).is_ok(),
        }
    }

    /// Without Envoy the service cannot reach the authorization server, so it is alive at best.
    fn bff_probe(&self) -> &'static str {
        match self.options().has(Component::Envoy) {
            true => "/readyz",
            false => "/healthz",
        }
    }

    fn take(&self, component: Component) -> Option<Process> {
        let mut processes = self.processes();
        let index = processes.iter().position(|(other, _)| *other == component)?;
        Some(processes.remove(index).1)
    }

    fn processes(&self) -> MutexGuard<'_, Vec<(Component, Process)>> {
        // A test that panics while it holds this leaves a consistent state.
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for System {
    fn drop(&mut self) {
        while let Some((_, process)) = self.processes().pop() {
            drop(process);
        }
    }
}

/// Writes every file that the components read.
fn prepare(artifacts: &Artifacts, mut options: Options) -> Result<Prepared, Error> {
    options.directory = std::path::absolute(&options.directory).map_err(|error| {
        Error::new(format!(
            "making {} an absolute path failed: {error}",
            options.directory.display()
        ))
    })?;
    let directory = &options.directory;
    let logs = directory.join("logs");
    files::create_dir(&logs)?;
    let lock = files::lock(directory)?;
    for component in Component::ALL {
        files::write(&commands::log_path(directory, component), "")?;
    }
    let secrets = Secrets::prepare(directory)?;
    let certificates = Certificates::prepare(directory, &options.domain, &options.further_domains)?;
    files::write(
        &directory.join("bff.toml"),
        bff_config::bff_toml(&options, &certificates.ca, "127.0.0.1"),
    )?;
    let template = files::read(&artifacts.envoy_config)?;
    let mut envoy = envoy_config::render(&template, &options, &certificates, &artifacts.filter)?;
    if artifacts.is_native() {
        envoy = with_native_module(&envoy, &artifacts.filter.to_string_lossy())?;
    }
    files::write(&directory.join("envoy.yaml"), &envoy)?;
    // For an Envoy that is started by hand.
    files::write_secret(&directory.join("envoy.env"), &secrets.envoy_file()?)?;
    Ok(Prepared {
        artifacts: artifacts.clone(),
        options,
        secrets,
        certificates,
        _lock: lock,
    })
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
