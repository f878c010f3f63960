//! `cargo xtask bench`: builds what the measurements need, and runs them.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use demo_system::files;

use crate::result::Result;
use crate::{command, programs, tools, workspace};

const INSTRUCTIONS: &str = "--instructions";

/// Runs all measurements and writes the results. With parts of names: runs only the variants whose names contain one of them,
/// and those with which they are compared, and writes no results. With `--instructions` before the names: counts instructions
/// instead of CPU time, and writes no results either.
pub(crate) fn run(arguments: &[&str]) -> Result<ExitCode> {
    let (counts, parts) = match arguments {
        [INSTRUCTIONS, parts @ ..] => (true, parts),
        parts => (false, parts),
    };
    if let Some(flag) = parts.iter().find(|part| part.starts_with('-')) {
        return Err(format!(
            "invalid argument `{flag}` of bench: write only {INSTRUCTIONS}, before the names of variants"
        ));
    }
    if counts {
        tools::valgrind::find()?;
    }
    // Go's programs do not run under valgrind.
    let oauth2_proxy = match !counts && needs_oauth2_proxy(parts) {
        true => find_oauth2_proxy(),
        false => None,
    };
    let envoy: Vec<OsString> = tools::envoy::find()?;
    let filter = tools::wasm::build()?;
    let noop_filter = tools::wasm::build_noop()?;
    let native_module = tools::native::build()?;
    let noop_module = tools::native::build_noop()?;
    programs::build_packages(
        "building the service and the measurements, optimized (takes a few minutes the first time)",
        &["bff-service", "bff-bench"],
        &["--release"],
    )?;
    if command::find("taskset").is_none() {
        return Err(
            "missing taskset, which binds the measured process to a CPU of its own: install the package util-linux"
                .to_owned(),
        );
    }
    let results = workspace::path("bench/results");
    files::create_dir(&results)?;
    command::progress(match counts {
        true => "counting instructions (under valgrind, where each request takes about fifty times as long)",
        false => "measuring (an idle machine gives steady results)",
    });
    let mut bench = Command::new("taskset");
    bench
        .args(["-c", "1"])
        .arg(programs::release("bff-bench"))
        .args(arguments)
        .env("BENCH_ENVOY", envoy.join(OsStr::new("\n")))
        .env("BENCH_FILTER", filter)
        .env("BENCH_NOOP_FILTER", noop_filter)
        .env("BENCH_NATIVE_MODULE", native_module)
        .env("BENCH_NOOP_MODULE", noop_module)
        .env("BENCH_BFF_SERVICE", programs::release("bff-service"))
        .env("BENCH_RESULTS", results)
        // Only if both are set, oauth2-proxy is measured.
        .env_remove("BENCH_OAUTH2_PROXY")
        .env_remove("BENCH_REDIS");
    if let Some((oauth2_proxy, redis)) = oauth2_proxy {
        bench.env("BENCH_OAUTH2_PROXY", oauth2_proxy).env("BENCH_REDIS", redis);
    }
    match command::run_for_status(&mut bench)?.success() {
        true => Ok(ExitCode::SUCCESS),
        false => Err("measuring failed: see the messages of bff-bench above".to_owned()),
    }
}

/// The names of the variants of oauth2-proxy, of which shorter names are parts.
const OAUTH2_PROXY: [&str; 2] = ["oauth2-proxy-cookie-2000", "oauth2-proxy-redis-2000"];

fn needs_oauth2_proxy(parts: &[&str]) -> bool {
    let is_of_it = |part: &&str| OAUTH2_PROXY.iter().any(|name| name.contains(part));
    parts.is_empty() || parts.iter().any(is_of_it)
}

/// Finds oauth2-proxy and Redis. If one of them is missing, warns and returns `None`, since all else can be measured without
/// them.
fn find_oauth2_proxy() -> Option<(PathBuf, PathBuf)> {
    let redis = tools::redis::find();
    redis
        .and_then(|redis| Ok((tools::oauth2_proxy::find()?, redis)))
        .inspect_err(|message| command::warn(&format!("oauth2-proxy is not measured: {message}")))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oauth2_proxy_is_built_only_for_its_variants() {
        for parts in [&[][..], &["oauth2"], &["web-hit", "redis"], &["2000"]] {
            assert!(needs_oauth2_proxy(parts), "{parts:?}");
        }
        for parts in [&["web-hit"][..], &["lua", "oauth2-jwt"], &["service"]] {
            assert!(!needs_oauth2_proxy(parts), "{parts:?}");
        }
    }
}
