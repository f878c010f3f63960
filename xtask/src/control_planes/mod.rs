//! `cargo xtask control-planes`: the chart and the manifests at a real Kubernetes API server, rules in CEL, defaults and pod
//! security included.
//!
//! * [`programs`]: what is fetched.
//! * [`api_server`]: the server.
//! * [`kustomize`]: the manifests.
//! * [`releases`]: upgrades and rollbacks of the chart.
//! * [`walks`]: walks through the system behind the control planes, which read the manifests from that server.

mod api_server;
mod kustomize;
mod programs;
mod releases;
mod walks;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use demo_system::files;

use self::api_server::ApiServer;
use self::programs::{Programs, resource_definitions, yaml_files};
use crate::result::Result;
use crate::{command, workspace};

/// The namespaces of the manifests. The service's is a restricted one.
const NAMESPACES: [&str; 5] = ["bff", "api", "envoy-gateway-system", "istio-ingress", "istio-system"];

/// Releases of the chart, and the control planes behind which there is a walk.
const PARTS: [&str; 3] = [CHART, "istio", "envoy-gateway"];
const CHART: &str = "chart";

/// Applies the manifests, and then runs all parts, or only those with these names.
pub(crate) fn run(names: &[&str]) -> Result<ExitCode> {
    if let Some(unknown) = names.iter().find(|name| !PARTS.contains(name)) {
        let known = PARTS.join(", ");
        return Err(format!(
            "invalid part `{unknown}` of control-planes: write one of {known}"
        ));
    }
    let programs = Programs::fetch()?;
    let folder = workspace::target().join("control-planes");
    files::create_dir(&folder)?;
    let definitions = resource_definitions(&programs.helm, &folder)?;
    command::progress("starting a Kubernetes API server");
    let server = ApiServer::start(&programs, &folder.join("server"))?;
    for file in &definitions {
        apply(&server, file, Mode::Applied)
            .map_err(|fault| format!("applying the resource definitions {} failed: {fault}", file.display()))?;
    }
    // A kind is served a moment after its definition is.
    let wait = ["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"];
    server.succeed(&wait)?;
    for name in NAMESPACES {
        server.create_namespace(name)?;
    }
    server.restrict("bff")?;
    let mut applicable = Vec::new();
    for values in yaml_files(&workspace::path("envoy/helm/ci"))? {
        // Each in a namespace of its own: most fields of the chart's Pod cannot be changed.
        let namespace = values.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        server.create_namespace(&namespace)?;
        server.restrict(&namespace)?;
        applicable.push(render(&programs, &values, &namespace, &folder)?);
    }
    applicable.extend(kustomize::render_examples(&programs.kubectl, &folder)?);
    let mut applicable: Vec<(PathBuf, Mode)> = applicable.into_iter().map(|file| (file, Mode::Applied)).collect();
    let others = kustomize::render_other_forms(&programs.kubectl, &folder)?;
    applicable.extend(others.into_iter().map(|file| (file, Mode::Checked)));
    let (mut applied, mut faults) = (0, Vec::new());
    for (file, mode) in &applicable {
        match apply(&server, file, *mode) {
            Ok(objects) => {
                command::progress(&format!("{mode}: {objects} objects of {}", workspace::shown(file)));
                applied += objects;
            }
            Err(fault) => faults.push(format!("{}: {fault}", workspace::shown(file))),
        }
    }
    if !faults.is_empty() {
        return Err(format!(
            "the API server refused manifests or warned about them: correct them:\n    {}",
            faults.join("\n    ")
        ));
    }
    let definitions = definitions.len();
    command::progress(&format!(
        "applied or checked {applied} objects, and applied {definitions} files of resource definitions, without a warning"
    ));
    let parts = if names.is_empty() { &PARTS[..] } else { names };
    if parts.contains(&CHART) {
        releases::upgrade_and_roll_back(&server, &programs, &folder)?;
    }
    let control_planes: Vec<&str> = parts.iter().copied().filter(|part| *part != CHART).collect();
    if !control_planes.is_empty() {
        walks::run(&control_planes, &programs, &server, &folder)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the API server does with objects that it accepts.
#[derive(Clone, Copy)]
enum Mode {
    /// It stores them.
    Applied,
    /// It validates them and stores nothing, so that no form of the filters is beside another.
    Checked,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Mode::Applied => "applied",
            Mode::Checked => "checked",
        })
    }
}

/// Applies a file by server-side apply, and returns the number of objects. A warning is a failure.
fn apply(server: &ApiServer, file: &Path, mode: Mode) -> Result<usize> {
    let dry_run = match mode {
        Mode::Applied => "--dry-run=none",
        Mode::Checked => "--dry-run=server",
    };
    let file = file.to_string_lossy();
    let output = server.kubectl(&["apply", "--server-side", dry_run, "--filename", &file])?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.success() && said.is_empty() {
        true => Ok(String::from_utf8_lossy(&output.stdout).lines().count()),
        false => Err(said),
    }
}

/// Renders the chart with these values, for a namespace.
fn render(programs: &Programs, values: &Path, namespace: &str, folder: &Path) -> Result<PathBuf> {
    let mut helm = Command::new(&programs.helm);
    helm.args([
        "template",
        "bff-service",
        "--kube-version=1.36.3",
        "--namespace",
        namespace,
        "--values",
    ])
    .arg(values)
    .arg(workspace::path("envoy/helm"));
    let text = command::run_for_output(
        &format!("rendering the chart with {}", workspace::shown(values)),
        &mut helm,
        "see the message of Helm above",
    )?;
    let file = folder.join(format!("{namespace}.yaml"));
    files::write(&file, text)?;
    Ok(file)
}
