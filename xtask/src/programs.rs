//! The workspace's own programs, and all files that a system is started from.

use std::path::PathBuf;

use demo_system::Artifacts;

use crate::result::Result;
use crate::tools::node::Node;
use crate::{command, spa, tools, workspace};

/// The form of the filter that a system has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// The proxy-wasm module.
    #[default]
    ProxyWasm,
    /// The native module.
    Native,
}

impl Form {
    fn build(self) -> Result<PathBuf> {
        match self {
            Form::ProxyWasm => tools::wasm::build(),
            Form::Native => tools::native::build(),
        }
    }

    fn module(self) -> PathBuf {
        match self {
            Form::ProxyWasm => tools::wasm::module(),
            Form::Native => tools::native::module(),
        }
    }
}

/// Builds everything that a system needs, with the proxy-wasm module.
pub(crate) fn build() -> Result<(Artifacts, Node)> {
    build_with(true, Form::default())
}

/// Builds everything that a system needs, with the filter in this form. Without Envoy, Envoy is not looked for, and the
/// filter is not built.
pub(crate) fn build_with(with_envoy: bool, form: Form) -> Result<(Artifacts, Node)> {
    let node = Node::find()?;
    let authorization_server = workspace::path("demo/authorization-server");
    node.install(&authorization_server)?;
    let (envoy, filter) = match with_envoy {
        true => (tools::envoy::find()?, form.build()?),
        false => (Vec::new(), form.module()),
    };
    let artifacts = Artifacts {
        envoy,
        envoy_config: workspace::path("envoy/envoy.yaml"),
        filter,
        spa: spa::build(&node)?,
        bff_service: program("bff-service"),
        demo_api: program("demo-api"),
        demo_web_host: program("demo-web-host"),
        node: node.node.clone(),
        authorization_server,
        redis: None,
    };
    build_packages(
        "building the service, the API and the web host",
        &["bff-service", "demo-api", "demo-web-host"],
        &[],
    )?;
    Ok((artifacts, node))
}

/// Builds programs of the workspace, with additional arguments for cargo.
pub(crate) fn build_packages(step: &str, packages: &[&str], arguments: &[&str]) -> Result<()> {
    let mut cargo = command::cargo();
    cargo
        .arg("build")
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .args(arguments)
        // The folder is named here because this code reads it afterwards, whatever CARGO_TARGET_DIR is.
        .arg("--target-dir")
        .arg(workspace::target())
        .current_dir(workspace::root());
    command::run(step, &mut cargo, "see the compiler's message above")
}

/// A program of the workspace that was built without `--release`.
pub(crate) fn program(name: &str) -> PathBuf {
    in_folder("debug", name)
}

/// A program that was built with `--release`.
pub(crate) fn release(name: &str) -> PathBuf {
    in_folder("release", name)
}

fn in_folder(profile: &str, name: &str) -> PathBuf {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    workspace::target().join(profile).join(file)
}
