//! The filter as a wasm module, by whichever compiler here has or gets the target.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::apt;
use crate::{Result, command, workspace};

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];
/// The wasm linker of `lld-22`.
const DEBIAN_LINKER: &str = "wasm-ld-22";

/// Where the module is put.
pub(crate) fn module() -> PathBuf {
    workspace::target().join("wasm/bff_filter.wasm")
}

/// Builds the module.
pub(crate) fn build() -> Result<PathBuf> {
    let mut cargo = compiler()?;
    // A folder of its own: the compilers would evict each other's builds.
    let target = workspace::target().join("wasm-build");
    cargo
        .args([
            "build",
            "--package",
            "bff-filter",
            "--profile",
            "wasm",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(&target)
        .current_dir(workspace::root());
    command::run(
        "building the filter",
        &mut cargo,
        "The compiler's message above says why.",
    )?;
    let module = module();
    if let Some(folder) = module.parent() {
        workspace::create_dir(folder)?;
    }
    copy(&target.join(TARGET).join("wasm/bff_filter.wasm"), &module)?;
    Ok(module)
}

/// A cargo that can build for the target.
fn compiler() -> Result<Command> {
    if has_target() {
        return Ok(command::cargo());
    }
    if debian_is_installed() {
        return Ok(debian());
    }
    if command::find("rustup").is_some() {
        let added = command::run(
            &format!("rustup: adding the target {TARGET}"),
            Command::new("rustup")
                .args(["target", "add", TARGET])
                .current_dir(workspace::root()),
            "",
        );
        match added {
            Ok(()) if has_target() => return Ok(command::cargo()),
            Ok(()) => {}
            Err(message) => command::progress(&message),
        }
    }
    if apt::is_usable() {
        apt::install(&DEBIAN_PACKAGES)?;
        if debian_is_installed() {
            return Ok(debian());
        }
    }
    Err(format!(
        "no Rust compiler here can build for {TARGET}. Run `rustup target add {TARGET}`, or on Debian install {}",
        DEBIAN_PACKAGES.join(" ")
    ))
}

/// Whether the toolchain that runs this has the target's standard library.
fn has_target() -> bool {
    let mut rustc = Command::new("rustc");
    rustc
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(workspace::root());
    command::output(&mut rustc).is_some_and(|folder| Path::new(&folder).is_dir())
}

/// Debian's compiler has no standard library for the target, but its sources.
fn debian_is_installed() -> bool {
    Path::new("/usr/bin/cargo").is_file()
        && Path::new("/usr/lib/rustlib/src/rust/library/std/Cargo.toml").is_file()
        && command::find(DEBIAN_LINKER).is_some()
}

fn debian() -> Command {
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo
        .args(["-Zbuild-std=std,panic_abort"])
        .env("RUSTC", "/usr/bin/rustc")
        // A released compiler builds its own standard library only when it is told that it may.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER)
        .env_remove("RUSTUP_TOOLCHAIN");
    cargo
}

/// Envoy may be running with the old module: a new file takes its place instead of being written into it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = |error| format!("{} cannot be copied to {}: {error}", from.display(), to.display());
    let new = to.with_extension("wasm.new");
    fs::copy(from, &new).map_err(failed)?;
    fs::rename(new, to).map_err(failed)
}
