//! The service and the filter of the last release, for the tests of upgrades, and its chart, from which releases are upgraded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use demo_system::files;

use super::wasm;
use crate::result::Result;
use crate::stamp::Stamp;
use crate::{command, workspace};

/// The commit of the last release. It changes with each release and not before: the new version must open the cookies that
/// the released version has sealed.
const COMMIT: &str = "ebb01d86b68e8758a4438fa9878f491a374879f8";

/// Names a `bff-service` of the last release, if it cannot be built here.
const SERVICE: &str = "PREVIOUS_BFF_SERVICE";
/// Names a `bff_filter.wasm` of the last release, if it cannot be built here.
const FILTER: &str = "PREVIOUS_FILTER";

/// The programs of the last release, as environment variables of the tests: those that the same variables name, else built
/// from the repository's history.
pub(crate) fn find() -> Result<[(&'static str, PathBuf); 2]> {
    let named = (command::named_by(SERVICE)?, command::named_by(FILTER)?);
    if let (Some(service), Some(filter)) = named {
        return Ok([(SERVICE, service), (FILTER, filter)]);
    }
    let folder = workspace::target().join("previous-release");
    let service = folder.join(format!("bff-service{}", std::env::consts::EXE_SUFFIX));
    let filter = folder.join(wasm::FILE);
    files::create_dir(&folder)?;
    let stamp = Stamp::new(folder.join("stamp"), format!("{COMMIT} with its filter"));
    if !(stamp.is_current() && service.is_file() && filter.is_file()) {
        build(&folder, &service, &filter)?;
        stamp.set()?;
    }
    Ok([
        (SERVICE, named.0.unwrap_or(service)),
        (FILTER, named.1.unwrap_or(filter)),
    ])
}

fn build(folder: &Path, service: &Path, filter: &Path) -> Result<()> {
    let (source, target) = (folder.join("source"), folder.join("target"));
    let advice = format!("set {SERVICE} and {FILTER} to the programs of that release");
    extract(&source, &[]).map_err(|error| format!("{error}, or {advice}"))?;
    let mut of_service = command::cargo();
    of_service
        .args(["build", "--locked", "--package", "bff-service"])
        // The build should be fast, not its result.
        .args(["--config", "profile.dev.debug=false"])
        .args(["--config", "profile.dev.package.\"*\".opt-level=0"]);
    let mut of_filter = wasm::compiler()?;
    of_filter.args([
        "build",
        "--locked",
        "--package",
        "bff-filter",
        "--profile",
        "wasm",
        "--target",
        wasm::TARGET,
    ]);
    let in_debug = Path::new("debug").join(service.file_name().unwrap_or_default());
    let in_wasm = Path::new(wasm::TARGET).join("wasm").join(wasm::FILE);
    for (name, cargo, result, copy) in [
        ("service", of_service, in_debug, service),
        ("filter", of_filter, in_wasm, filter),
    ] {
        build_part(name, cargo, &source, &target, &advice)?;
        let built = target.join(result);
        fs::copy(&built, copy)
            .map_err(|error| format!("copying {} to {} failed: {error}", built.display(), copy.display()))?;
    }
    for done in [source, target] {
        let _ = fs::remove_dir_all(done);
    }
    Ok(())
}

fn build_part(name: &str, mut cargo: Command, source: &Path, target: &Path, advice: &str) -> Result<()> {
    // A target folder of its own: cargo takes packages of two checkouts for the same if their paths below the workspace
    // are equal, and would not notice that one of them must be built again.
    cargo.arg("--target-dir").arg(target).current_dir(source);
    command::run(
        &format!("building the {name} of the last release (takes a few minutes, once)"),
        &mut cargo,
        &format!("see the compiler's message above, or {advice}"),
    )
}

/// The chart of the last release, written into a new folder.
pub(crate) fn chart(folder: &Path) -> Result<PathBuf> {
    let chart = "envoy/helm";
    extract(folder, &[chart])?;
    Ok(folder.join(chart))
}

/// Writes files of the commit into a new folder: those below these paths, or all.
fn extract(source: &Path, paths: &[&str]) -> Result<()> {
    let _ = fs::remove_dir_all(source);
    files::create_dir(source)?;
    let missing = || {
        format!(
            "missing commit {COMMIT}, the last release, in this checkout: fetch the whole history with \
             `git fetch --unshallow`"
        )
    };
    let mut git = Command::new("git")
        .args(["archive", COMMIT])
        .args(paths)
        .current_dir(workspace::root())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("starting git failed: {error}: install git"))?;
    let archive = git.stdout.take().ok_or_else(missing)?;
    let unpacked = tar::Archive::new(archive).unpack(source);
    match git.wait() {
        Ok(status) if status.success() => {
            let hint = "check that the disk has space left";
            unpacked.map_err(|error| format!("unpacking into {} failed: {error}: {hint}", source.display()))
        }
        _ => Err(missing()),
    }
}
