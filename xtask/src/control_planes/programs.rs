//! The programs of a Kubernetes API server and of the control planes, and the resource definitions of its extensions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use demo_system::files;

use crate::command;
use crate::result::Result;
use crate::tools::{apt, go, helm};

const KUBERNETES: &str = "v1.36.3";
const GATEWAY_API: &str = "sigs.k8s.io/gateway-api@v1.4.1";
const ISTIO_API: &str = "istio.io/api@v1.31.4";
const PROMETHEUS_OPERATOR: &str = "github.com/prometheus-operator/prometheus-operator@v0.85.0";
const ENVOY_GATEWAY: &str = "github.com/envoyproxy/gateway@v1.9.1";
/// Istio's releases are not versions of its module: this is its main branch of 27 August 2026, between 1.31 and 1.32.
const ISTIO: &str = "istio.io/istio@v0.0.0-20260827124520-eed52ebb66ad";

/// What `cargo xtask control-planes` runs.
pub(super) struct Programs {
    pub(super) etcd: PathBuf,
    pub(super) api_server: PathBuf,
    pub(super) kubectl: PathBuf,
    pub(super) helm: PathBuf,
    pub(super) pilot_discovery: PathBuf,
    pub(super) envoy_gateway: PathBuf,
}

impl Programs {
    /// Finds or fetches the programs.
    pub(super) fn fetch() -> Result<Programs> {
        let etcd = command::named_or_found(
            "ETCD",
            || command::find("etcd").or_else(|| apt::find_or_unpack("etcd-server", "usr/bin/etcd", "--version")),
            "missing etcd: install it, for example with `apt-get install etcd-server`, or set ETCD to its path",
        )?;
        Ok(Programs {
            etcd,
            api_server: api_server()?,
            kubectl: helm::kubectl()?,
            helm: helm::find()?,
            pilot_discovery: find_or_build(ISTIO, "pilot/cmd/pilot-discovery", &[], &[])?,
            envoy_gateway: find_or_build(ENVOY_GATEWAY, "cmd/envoy-gateway", &[], &[])?,
        })
    }
}

/// `kube-apiserver`, built from Kubernetes' module.
fn api_server() -> Result<PathBuf> {
    let module = format!("k8s.io/kubernetes@{KUBERNETES}");
    // Kubernetes' module takes the modules that are developed with it from its own folders, as v0.0.0. They are published as
    // v0.N.
    let published = KUBERNETES.replacen("v1.", "v0.", 1);
    let requirements = go::requirements(&module)?;
    let staged = requirements
        .lines()
        .filter_map(|line| line.trim().strip_suffix(" v0.0.0"));
    let mut replaced: Vec<String> = staged.map(|name| format!("{name}={name}@{published}")).collect();
    replaced.sort();
    replaced.dedup();
    // Helm and others compare versions with this one.
    let version = format!("-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES}");
    find_or_build(&module, "cmd/kube-apiserver", &replaced, &["-ldflags", &version])
}

/// The program of a package of a module, built first if it is not there.
fn find_or_build(module: &str, package: &str, replaced: &[String], arguments: &[&str]) -> Result<PathBuf> {
    let (path, _) = module.split_once('@').unwrap_or((module, ""));
    go::Program {
        module,
        package: &format!("{path}/{package}"),
        replaced,
        arguments,
    }
    .find_or_build(package.rsplit('/').next().unwrap_or(package))
}

/// The files of the resource definitions of Gateway API, Istio, the Prometheus Operator and Envoy Gateway. The last are in a
/// chart, which is rendered into `folder`.
pub(super) fn resource_definitions(helm: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut definitions = yaml_files(&go::folder(GATEWAY_API)?.join("config/crd/standard"))?;
    definitions.push(go::folder(ISTIO_API)?.join("kubernetes/customresourcedefinitions.gen.yaml"));
    definitions.extend(yaml_files(
        &go::folder(PROMETHEUS_OPERATOR)?.join("example/prometheus-operator-crd"),
    )?);
    let chart = go::folder(ENVOY_GATEWAY)?.join("charts/gateway-crds-helm");
    let mut render = Command::new(helm);
    render
        .args(["template", "definitions", "--set=crds.envoyGateway.enabled=true"])
        .arg(chart);
    let text = command::run_for_output(
        "rendering Envoy Gateway's resource definitions",
        &mut render,
        "see the message of Helm above",
    )?;
    let file = folder.join("envoy-gateway-definitions.yaml");
    files::write(&file, text)?;
    definitions.push(file);
    Ok(definitions)
}

/// The YAML files of a folder, by name.
pub(super) fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| format!("reading {} failed: {error}", folder.display());
    let entries = fs::read_dir(folder)
        .map_err(failed)?
        .flatten()
        .map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    Ok(files)
}
