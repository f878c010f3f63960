//! `cargo xtask test`: builds what the tests need, and runs all of them.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use demo_system::Artifacts;

use crate::jobs::{self, Company, Job};
use crate::result::Result;
use crate::selection::{self, Selected};
use crate::{binaries, client, command, fuzz, programs, spa, tools, workspace};

/// The tests of manifests with the proxy-wasm module. `tests/tests/kubernetes.rs` runs those with the native module.
const BEHIND_CONTROL_PLANES: [&str; 2] = ["behind_istio", "behind_envoy_gateway"];

/// Runs all tests. With names: only the Rust tests, including those of the whole system and in the browser, whose names or
/// files contain one of them.
pub(crate) fn run(names: &[&str]) -> Result<ExitCode> {
    let previous = tools::previous_release::find()?;
    let (mut artifacts, node) = programs::build()?;
    artifacts.redis = Some(tools::redis::find()?);
    node.install(&workspace::path("tests/browser"))?;
    client::build(&node)?;
    let mut environment = artifacts.to_env();
    environment.extend([
        ("CHROMIUM", tools::chromium::find(&node)?.into()),
        ("SCHEMATHESIS", tools::schemathesis::find()?.into()),
        ("NGINX", tools::nginx::find()?.into()),
        ("NPM", node.npm.clone().into()),
        ("HELM", tools::helm::find()?.into()),
        ("KUBECTL", tools::helm::kubectl()?.into()),
        ("PROMTOOL", tools::promtool::find()?.into()),
    ]);
    environment.extend(previous.map(|(name, path)| (name, path.into())));
    let schemas = tools::kubernetes::schemas(&node)?;
    environment.extend(schemas.into_iter().map(|(name, path)| (name, path.into())));
    let native = Artifacts {
        filter: tools::native::build()?,
        ..artifacts.clone()
    };
    environment.push(("NATIVE_MODULE", native.filter.clone().into()));
    environment.push(("AUTHORIZATION_SERVER_DATABASE", prepare_database(&artifacts)?.into()));
    let mut jobs = Vec::new();
    for selected in selection::select(binaries::build()?, names)? {
        let Selected { binary, names, .. } = &selected;
        if binary.is_for_proxy_wasm() {
            let mut job = binary.job(names);
            job.command.envs(environment.iter().cloned());
            jobs.push(job);
        }
        if binary.is_for_native() && selected.has_tests_without(&BEHIND_CONTROL_PLANES) {
            let skipped = BEHIND_CONTROL_PLANES.iter().flat_map(|name| ["--skip", name]);
            let arguments: Vec<&str> = names.iter().copied().chain(skipped).collect();
            let mut job = binary.job(&arguments);
            job.name.push_str(" (native module)");
            job.command.envs(environment.iter().cloned()).envs(native.to_env());
            jobs.push(job);
        }
    }
    if names.is_empty() {
        jobs.push(binaries::examples(&[]));
        jobs.push(spa::type_check(&node));
        // A test in the browser builds the client as well.
        jobs.push(Job {
            company: Company::None,
            ..client::tests(&node)
        });
        let mut server = Command::new(&node.npm);
        server
            .args(["test", "--silent"])
            .current_dir(&artifacts.authorization_server);
        jobs.push(Job::new("tests of the authorization server", server));
        jobs.push(fuzz::short_run()?);
    }
    jobs::run(jobs)?;
    Ok(ExitCode::SUCCESS)
}

/// Creates the database that each authorization server of the tests starts with.
fn prepare_database(artifacts: &Artifacts) -> Result<PathBuf> {
    let file = workspace::target().join("authorization-server.sqlite");
    let script = artifacts.authorization_server.join("prepare-database.mjs");
    command::run(
        "preparing the database of the authorization server",
        Command::new(&artifacts.node).arg(script).arg(&file),
        "correct the error above, which is in the folder `demo/authorization-server`",
    )?;
    Ok(file)
}
