//! The modules a second time, from a copy of the sources in another folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use demo_system::files;

use super::native::Native;
use crate::digest::sha256;
use crate::result::Result;
use crate::tools::native::{Architecture, FILE};
use crate::tools::wasm;
use crate::{command, workspace};

/// Builds the modules in another folder, and compares them with these.
///
/// # Errors
/// One of them differs.
pub(super) fn compare(module: &[u8], natives: &[Native]) -> Result<()> {
    let copy = workspace::target().join("reproduce");
    let failed = |error: std::io::Error| format!("removing {} failed: {error}", copy.display());
    if copy.exists() {
        fs::remove_dir_all(&copy).map_err(failed)?;
    }
    copy_sources(&copy)?;
    build(&copy, &["wasm"])?;
    same(
        "the proxy-wasm module",
        module,
        &copy.join("target/wasm").join(wasm::FILE),
    )?;
    for native in natives {
        let target = native.architecture.target();
        build(&copy, &["module", "--target", target])?;
        let folder = match native.architecture == Architecture::of_this_machine() {
            true => copy.join("target/native"),
            false => copy.join("target/native").join(target),
        };
        same(
            &format!("the native module for {target}"),
            &native.module,
            &folder.join(FILE),
        )?;
    }
    fs::remove_dir_all(&copy).map_err(failed)
}

/// Copies tracked and new files, without build outputs.
fn copy_sources(copy: &Path) -> Result<()> {
    let sources = command::read_output(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(workspace::root()),
    )
    .ok_or("listing the sources failed: install git, and run --reproduce in a git repository")?;
    for file in sources.lines() {
        let (from, to) = (workspace::path(file), copy.join(file));
        // A file whose removal is not committed yet.
        if !from.is_file() {
            continue;
        }
        files::create_dir(to.parent().unwrap_or(copy))?;
        let copied = fs::copy(&from, &to);
        copied.map_err(|error| format!("copying {} to {} failed: {error}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Runs a command of this program in the copy.
fn build(copy: &Path, arguments: &[&str]) -> Result<()> {
    command::run(
        "building a second time, in another folder",
        command::cargo()
            .args(["run", "--quiet", "--package", "xtask", "--"])
            .args(arguments)
            // No output of the first build is used.
            .env_remove("CARGO_TARGET_DIR")
            .current_dir(copy),
        "see the messages of the second build above",
    )
}

fn same(what: &str, first: &[u8], second: &Path) -> Result<()> {
    let second = files::read_bytes(second)?;
    match first == second {
        true => {
            command::progress(&format!(
                "compared both builds of {what}: identical, SHA-256 {}",
                sha256(first)
            ));
            Ok(())
        }
        false => Err(format!(
            "the build is not reproducible: the SHA-256 of {what} is {}, and {} if it is built in another folder: \
             search the modules for names of folders, which xtask/src/tools/reproducible.rs replaces",
            sha256(first),
            sha256(&second)
        )),
    }
}
