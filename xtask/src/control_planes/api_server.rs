//! A Kubernetes API server with its etcd, on loopback, without nodes: it accepts or refuses objects, and runs none.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use demo_system::{ChildGroup, Signal, files, free_port};
use serde_json::json;

use super::programs::Programs;
use crate::command;
use crate::result::Result;

const READY_WITHIN: Duration = Duration::from_secs(90);
const GRACE: Duration = Duration::from_secs(10);
/// The bearer token of the only user, in the folder of a server that lives as long as this run.
const TOKEN: &str = "administers-the-api-server-of-this-run";
/// The strictest pod security, whose warnings are failures here.
const RESTRICTED: [&str; 2] = [
    "pod-security.kubernetes.io/enforce=restricted",
    "pod-security.kubernetes.io/warn=restricted",
];

/// A running API server. Dropping it stops it, and its etcd.
pub(super) struct ApiServer {
    kubectl: PathBuf,
    configuration: PathBuf,
    running: Vec<ChildGroup>,
}

impl ApiServer {
    /// Starts both, with an empty database, and waits until the server is ready.
    pub(super) fn start(programs: &Programs, folder: &Path) -> Result<ApiServer> {
        let failed = |error: std::io::Error| format!("removing {} failed: {error}", folder.display());
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(failed)?;
        }
        files::create_dir(folder)?;
        let (etcd, port) = (format!("http://127.0.0.1:{}", free_port()), free_port());
        let peers = format!("http://127.0.0.1:{}", free_port());
        let mut server = ApiServer {
            kubectl: programs.kubectl.clone(),
            configuration: folder.join("kubeconfig"),
            running: Vec::new(),
        };
        files::write(&server.configuration, configuration(port))?;
        let mut database = Command::new(&programs.etcd);
        database
            .arg("--data-dir")
            .arg(folder.join("etcd"))
            .args(["--listen-client-urls", &etcd, "--advertise-client-urls", &etcd])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .arg(format!("--initial-cluster=default={peers}"));
        server.run(database, &folder.join("etcd.log"))?;
        let key = folder.join("service-accounts.pem");
        command::run(
            "generating the key of service accounts",
            Command::new("openssl")
                .args(["genpkey", "-quiet", "-algorithm", "RSA", "-out"])
                .arg(&key),
            "see the message above, and install OpenSSL 3 if openssl is missing",
        )?;
        let tokens = folder.join("tokens.csv");
        files::write(&tokens, format!("{TOKEN},admin,admin,\"system:masters\"\n"))?;
        let mut api = Command::new(&programs.api_server);
        api.arg(format!("--etcd-servers={etcd}"))
            .args(["--bind-address=127.0.0.1", "--authorization-mode=RBAC"])
            .arg(format!("--secure-port={port}"))
            .arg(format!("--cert-dir={}", folder.join("certificates").display()))
            .arg(format!("--token-auth-file={}", tokens.display()))
            .arg(format!("--service-account-key-file={}", key.display()))
            .arg(format!("--service-account-signing-key-file={}", key.display()))
            .arg("--service-account-issuer=https://kubernetes.default.svc.cluster.local")
            .arg("--service-cluster-ip-range=10.0.0.0/24");
        server.run(api, &folder.join("api-server.log"))?;
        server.wait(folder)?;
        Ok(server)
    }

    fn run(&mut self, mut program: Command, log: &Path) -> Result<()> {
        let name = program.get_program().to_string_lossy().into_owned();
        let unwritable = |error: std::io::Error| format!("writing {} failed: {error}", log.display());
        let output = File::create(log).map_err(unwritable)?;
        program
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(unwritable)?)
            .stderr(output);
        let group = ChildGroup::start(program);
        self.running
            .push(group.map_err(|error| format!("starting {name} failed: {error}: check that it is executable"))?);
        Ok(())
    }

    fn wait(&mut self, folder: &Path) -> Result<()> {
        let started = Instant::now();
        while !self.kubectl(&["get", "--raw", "/readyz"])?.status.success() {
            let exited = self.running.iter_mut().any(|program| program.exit_status().is_some());
            if exited || started.elapsed() > READY_WITHIN {
                let how = match exited {
                    true => "failed: it or etcd exited".to_owned(),
                    false => format!("timed out after {} s", READY_WITHIN.as_secs()),
                };
                return Err(format!(
                    "starting the API server {how}: see etcd.log and api-server.log in {}",
                    folder.display()
                ));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// The file with its address and the administrator's credential.
    pub(super) fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// Creates a namespace.
    pub(super) fn create_namespace(&self, name: &str) -> Result<()> {
        self.succeed(&["create", "namespace", name]).map(|_| ())
    }

    /// Gives a namespace the strictest pod security.
    pub(super) fn restrict(&self, namespace: &str) -> Result<()> {
        let label = ["label", "namespace", namespace];
        self.succeed(&[&label[..], &RESTRICTED].concat()).map(|_| ())
    }

    /// Runs kubectl as an administrator, and returns its output. A failure is an error.
    pub(super) fn succeed(&self, arguments: &[&str]) -> Result<String> {
        let output = self.kubectl(arguments)?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(format!(
                "`kubectl {}` failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            )),
        }
    }

    /// Runs kubectl as an administrator.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(&self.configuration)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                let program = self.kubectl.display();
                format!("starting {program} failed: {error}: check that it is executable")
            })
    }
}

/// A configuration of kubectl.
fn configuration(port: u16) -> String {
    // The server's certificate is self-signed, and the connection stays on this machine.
    let configuration = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "local",
            "cluster": {"server": format!("https://127.0.0.1:{port}"), "insecure-skip-tls-verify": true},
        }],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
        "current-context": "local",
    });
    // JSON is YAML.
    configuration.to_string()
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        while let Some(mut program) = self.running.pop() {
            program.stop(Signal::Terminate, GRACE);
        }
    }
}
