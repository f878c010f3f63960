//! Side-by-side measurements of the filter and of the service, on this machine, in one run: `cargo xtask bench`.
//!
//! The measured programs run on CPU 0, the load and all other servers on CPU 1.

mod actix;
mod counter;
mod credentials;
mod envoy;
mod ground;
mod http;
mod load;
mod lua;
mod measure;
mod memory;
mod native;
mod oauth2;
mod oauth2_proxy;
mod process;
mod report;
mod result;
mod service;
mod slow;
mod upstream;
mod variant;
mod variants;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use crate::result::Result;

use tokio::task::LocalSet;

use crate::counter::Meter;
use crate::credentials::{Deployment, SigningKey};
use crate::envoy::{Artifacts, Envoy};
use crate::ground::Ground;
use crate::measure::{Plan, Subject};
use crate::oauth2_proxy::Running;
use crate::report::Report;
use crate::upstream::Upstream;
use crate::variants::Variants;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["bare-actix", port] => actix::serve(port),
        ["--instructions", parts @ ..] => run(Meter::Instructions, parts),
        parts => run(Meter::CpuTime, parts),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The variants whose latencies are measured. oauth2-proxy is not among them: it cannot take half of the base's load, so that
/// requests would queue for as long as they are sent.
const AT_HALF_LOAD: [&str; 5] = ["noop", "web-hit-200", "web-hit-2000", "ext_authz", "oauth2"];

/// Measures everything and writes the results. With parts of names: measures only the variants whose names contain one of them,
/// and their bases, and writes no results.
fn run(meter: Meter, parts: &[&str]) -> Result<()> {
    let artifacts = artifacts(meter)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("starting the runtime failed: {error}"))?;
    LocalSet::new().block_on(&runtime, measure_all(&artifacts, parts))
}

async fn measure_all(artifacts: &Artifacts, parts: &[&str]) -> Result<()> {
    let slice = std::env::var("BENCH_SLICE_MS").ok().and_then(|text| text.parse().ok());
    let rounds = std::env::var("BENCH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let counts = artifacts.meter == Meter::Instructions;
    // Every round counts the same, so the VM must have compiled its hot functions before.
    let (usual_rounds, usual_slice, warm_up) = if counts { (1, 4000, 2000) } else { (11, 500, 100) };
    let plan = Plan {
        rounds: rounds.unwrap_or(usual_rounds),
        warm_up: Duration::from_millis(warm_up),
        slice: Duration::from_millis(slice.unwrap_or(usual_slice)),
    };
    let folder = tempfile::tempdir().map_err(|error| format!("creating a temporary folder failed: {error}"))?;
    let deployment = Deployment::new()?;
    let key = SigningKey::new()?;
    let (jwt, jwks) = (key.access_token()?, key.jwks());
    let port = demo_system::free_port();
    let upstream = Rc::new(Upstream {
        port,
        jwt: jwt.clone(),
        id_token: key.id_token(&upstream::issuer(port))?,
        jwks: jwks.to_string(),
        introspections: Cell::new(0),
    });
    upstream::serve(Rc::clone(&upstream)).await?;
    let ground = Ground {
        artifacts,
        deployment: &deployment,
        upstream: upstream.port,
        jwt: &jwt,
        jwks: &jwks,
    };

    let mut figures = BTreeMap::new();
    let is_wanted = |name: &str| parts.is_empty() || parts.iter().any(|part| name.contains(part));
    eprintln!("==> sealing cookies");
    let mut variants = Variants::new(&ground)?;
    native::add(&mut variants, &ground)?;
    let names: Vec<&str> = variants.list.iter().map(|variant| variant.name.as_str()).collect();
    // Memory is not measured in instructions.
    let others: &[&str] = if counts { &["service"] } else { &["service", "memory"] };
    let names = [&names[..], &slow::NAMES[..1], others].concat();
    if let Some(unknown) = parts
        .iter()
        .find(|part| !names.iter().any(|name| name.contains(**part)))
    {
        return Err(format!(
            "invalid variant `{unknown}`: write one of these, or a part of one: {}",
            names.join(", ")
        ));
    }
    variants.retain(is_wanted);
    if !variants.list.is_empty() {
        let envoy = Envoy::start(
            artifacts,
            folder.path(),
            &variants.listeners,
            upstream.port,
            &deployment,
            1,
        )?;
        let oauth2_proxy = match &artifacts.oauth2_proxy {
            Some(programs) => Running::start(programs, &variants.servers(), folder.path(), upstream.port).await?,
            None => Running::default(),
        };
        variants.sign_in(&ground).await?;
        for variant in &mut variants.list {
            variant.check().await?;
        }
        let subjects: Vec<Subject<'_>> = variants
            .list
            .iter()
            .map(|variant| Subject {
                name: &variant.name,
                base: &variant.base,
                requests: &variant.requests,
                programs: std::iter::once(&envoy.program)
                    .chain(oauth2_proxy.of(variants.server_of(variant)))
                    .collect(),
            })
            .collect();
        figures = measure::costs(&subjects, plan).await?;
        if !counts {
            measure::latencies(&subjects, &AT_HALF_LOAD, plan, &mut figures).await?;
        }
    }
    if is_wanted(slow::NAMES[0]) {
        slow::measure(&ground, folder.path(), plan, &mut figures).await?;
    }
    let service = match is_wanted("service") {
        true => Some(service::measure(artifacts, folder.path(), &deployment, &upstream, plan, &mut figures).await?),
        false => None,
    };
    let memory = match !counts && is_wanted("memory") {
        true => Some(memory::measure(&ground, &upstream, folder.path()).await?),
        false => None,
    };
    let report = Report {
        figures,
        memory,
        service,
    };
    if counts {
        report.print_instructions();
        return Ok(());
    }
    report.print();
    match parts.is_empty() {
        true => report.write(&results()?),
        false => Ok(()),
    }
}

fn artifacts(meter: Meter) -> Result<Artifacts> {
    let path = |name: &str| {
        std::env::var_os(name).ok_or_else(|| format!("missing {name}: run the measurements with `cargo xtask bench`"))
    };
    let envoy = path("BENCH_ENVOY")?;
    Ok(Artifacts {
        envoy: envoy.to_string_lossy().lines().map(Into::into).collect(),
        filter: path("BENCH_FILTER")?.into(),
        noop_filter: path("BENCH_NOOP_FILTER")?.into(),
        native_module: path("BENCH_NATIVE_MODULE")?.into(),
        noop_module: path("BENCH_NOOP_MODULE")?.into(),
        bff_service: path("BENCH_BFF_SERVICE")?.into(),
        oauth2_proxy: match meter {
            Meter::CpuTime => oauth2_proxy(),
            // Go's programs do not run under valgrind.
            Meter::Instructions => None,
        },
        this_program: std::env::current_exe().map_err(|error| format!("finding this program failed: {error}"))?,
        meter,
    })
}

/// oauth2-proxy and its Redis, if both were found.
fn oauth2_proxy() -> Option<oauth2_proxy::Programs> {
    Some(oauth2_proxy::Programs {
        oauth2_proxy: std::env::var_os("BENCH_OAUTH2_PROXY")?.into(),
        redis: std::env::var_os("BENCH_REDIS")?.into(),
    })
}

/// The folder of the results.
fn results() -> Result<PathBuf> {
    std::env::var_os("BENCH_RESULTS")
        .map(PathBuf::from)
        .ok_or_else(|| "missing BENCH_RESULTS: run the measurements with `cargo xtask bench`".to_owned())
}
