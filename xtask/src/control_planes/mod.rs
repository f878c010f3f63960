//! `cargo xtask control-planes`: the chart and the manifests at a real Kubernetes API server, rules in CEL, defaults and pod
//! security included.
//!
//! * [`programs`]: what is fetched.
//! * [`api_server`]: the server.
//! * [`releases`]: upgrades and rollbacks of the chart.
//! * [`walks`]: through the system behind the control planes, which read the manifests from that server.

mod api_server;
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
/// The strictest pod security, whose warnings are failures here.
const RESTRICTED: [&str; 2] = [
    "pod-security.kubernetes.io/enforce=restricted",
    "pod-security.kubernetes.io/warn=restricted",
];
/// Values of Istio's own chart, and no manifest.
const NO_MANIFEST: &str = "gateway-values.yaml";

/// Releases of the chart, and the control planes behind which there is a walk.
const PARTS: [&str; 3] = [CHART, "istio", "envoy-gateway"];
const CHART: &str = "chart";

/// With names: after the manifests, only these parts.
pub(crate) fn run(names: &[&str]) -> Result<ExitCode> {
    if let Some(unknown) = names.iter().find(|name| !PARTS.contains(name)) {
        let known = PARTS.join(", ");
        return Err(format!(
            "unknown part `{unknown}` of control-planes: write one of {known}"
        ));
    }
    let programs = Programs::fetch()?;
    let folder = workspace::target().join("control-planes");
    files::create_dir(&folder)?;
    let definitions = resource_definitions(&programs.helm, &folder)?;
    command::progress("starting a Kubernetes API server");
    let server = ApiServer::start(&programs, &folder.join("server"))?;
    for file in &definitions {
        apply(&server, file).map_err(|fault| format!("{}: {fault}", file.display()))?;
    }
    // A kind is served a moment after its definition is.
    let wait = ["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"];
    succeeded(server.kubectl(&wait)?)?;
    for name in NAMESPACES {
        succeeded(server.kubectl(&["create", "namespace", name])?)?;
    }
    restrict(&server, "bff")?;
    let mut applicable = Vec::new();
    for values in yaml_files(&workspace::path("envoy/helm/ci"))? {
        // Each in a namespace of its own: a Pod does not become another.
        let namespace = values.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        create_restricted(&server, &namespace)?;
        applicable.push(rendered(&programs, &values, &namespace, &folder)?);
    }
    applicable.extend(manifests()?);
    let (mut applied, mut faults) = (0, Vec::new());
    for file in &applicable {
        match apply(&server, file) {
            Ok(objects) => {
                command::progress(&format!("{}: {objects} objects", shown(file)));
                applied += objects;
            }
            Err(fault) => faults.push(format!("{}: {fault}", shown(file))),
        }
    }
    if !faults.is_empty() {
        return Err(format!(
            "the API server refused manifests:\n    {}",
            faults.join("\n    ")
        ));
    }
    let definitions = definitions.len();
    command::progress(&format!(
        "the API server took {applied} objects without a warning, with {definitions} files of resource definitions"
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

/// Creates a namespace with the strictest pod security.
fn create_restricted(server: &ApiServer, namespace: &str) -> Result<()> {
    succeeded(server.kubectl(&["create", "namespace", namespace])?)?;
    restrict(server, namespace)
}

fn restrict(server: &ApiServer, namespace: &str) -> Result<()> {
    let label = ["label", "namespace", namespace];
    succeeded(server.kubectl(&[&label[..], &RESTRICTED].concat())?)
}

/// Applies a file by server-side apply; returns the number of objects. A warning is a failure.
fn apply(server: &ApiServer, file: &Path) -> Result<usize> {
    let output = server.kubectl(&["apply", "--server-side", "--filename", &file.to_string_lossy()])?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.success() && said.is_empty() {
        true => Ok(String::from_utf8_lossy(&output.stdout).lines().count()),
        false => Err(said),
    }
}

/// The chart with these values, for a namespace.
fn rendered(programs: &Programs, values: &Path, namespace: &str, folder: &Path) -> Result<PathBuf> {
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
        &format!("rendering the chart with {}", shown(values)),
        &mut helm,
        "see above",
    )?;
    let file = folder.join(format!("{namespace}.yaml"));
    files::write(&file, text)?;
    Ok(file)
}

/// The manifests of both gateways.
fn manifests() -> Result<Vec<PathBuf>> {
    let mut found = yaml_files(&workspace::path("envoy/istio"))?;
    found.extend(yaml_files(&workspace::path("envoy/gateway"))?);
    found.retain(|file| !file.ends_with(NO_MANIFEST));
    Ok(found)
}

fn succeeded(output: std::process::Output) -> Result<()> {
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// A path below the repository.
fn shown(file: &Path) -> String {
    file.strip_prefix(workspace::root())
        .unwrap_or(file)
        .display()
        .to_string()
}
