//! The filter as a proxy-wasm module, built by any compiler on this machine that has the target or can get it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use demo_system::files;

use super::node::Node;
use super::{apt, reproducible, rust_target};
use crate::result::Result;
use crate::stamp::{self, Stamp};
use crate::{command, workspace};

/// The name of the module's file.
pub(crate) const FILE: &str = "bff_filter.wasm";
/// The target of the module.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];
/// The wasm linker of `lld-22`.
const DEBIAN_LINKER: &str = "wasm-ld-22";

/// The part of the proxy-wasm ABI 0.2.1 that the filter uses. The SDK exports every callback.
const EXPORTS: [&str; 12] = [
    "memory",
    "malloc",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_http_call_response",
    "proxy_on_delete",
];

/// The WebAssembly features that the compiler uses: its defaults for the target, and those in `.cargo/config.toml`.
const FEATURES: [&str; 9] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

/// The path of the module.
pub(crate) fn module() -> PathBuf {
    built("bff-filter")
}

/// Builds the module, and returns its path.
pub(crate) fn build() -> Result<PathBuf> {
    build_package("bff-filter")
}

/// Builds the module that does nothing, for `cargo xtask bench`.
pub(crate) fn build_noop() -> Result<PathBuf> {
    build_package("noop-filter")
}

fn file_name(package: &str) -> String {
    format!("{}.wasm", package.replace('-', "_"))
}

fn built(package: &str) -> PathBuf {
    workspace::target().join("wasm").join(file_name(package))
}

fn build_package(package: &str) -> Result<PathBuf> {
    let mut cargo = compiler()?;
    // A folder of its own: the compilers would replace each other's builds.
    let target = workspace::target().join("wasm-build");
    cargo
        .args([
            "build",
            "--package",
            package,
            "--profile",
            "wasm",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(&target)
        .arg("--config")
        .arg(reproducible::configuration(TARGET, &[])?)
        // They would replace the flags above and those in .cargo/config.toml.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(workspace::root());
    command::run(
        &format!("building {package}"),
        &mut cargo,
        "see the compiler's message above",
    )?;
    let module = built(package);
    if let Some(folder) = module.parent() {
        files::create_dir(folder)?;
    }
    optimize(&target.join(TARGET).join("wasm").join(file_name(package)), &module)?;
    Ok(module)
}

/// The compiler has optimized for speed where that matters. Higher levels save another 3 %, but inline functions, and
/// the larger the functions are, the longer V8 compiles the module at Envoy's start, and the more memory it needs.
const LEVEL: &str = "-O1";

/// Removes from the module what Envoy does not need, and makes the rest smaller with wasm-opt.
fn optimize(built: &Path, module: &Path) -> Result<()> {
    let tools = workspace::path("xtask/binaryen");
    let inputs = stamp::listing(&[built.to_owned(), tools.join("package-lock.json")], &[])? + LEVEL;
    let stamp = Stamp::new(module.with_extension("stamp"), inputs);
    if stamp.is_current() && module.is_file() {
        return Ok(());
    }
    let node = Node::find()?;
    node.install(&tools)?;
    let (graph, trimmed, small) = (
        module.with_extension("exports.json"),
        module.with_extension("trimmed"),
        module.with_extension("small"),
    );
    files::write(&graph, exports_graph())?;
    let run = |program: &str, arguments: &[&Path]| {
        let mut tool = Command::new(&node.node);
        tool.arg(tools.join("node_modules/binaryen/bin").join(program))
            .args(FEATURES)
            .args(arguments);
        match command::read_output(&mut tool) {
            Some(_) => Ok(()),
            None => Err(format!(
                "optimizing {} failed: `{}`: run this command to see why",
                built.display(),
                command::shown(&tool)
            )),
        }
    };
    command::progress(&format!("wasm-opt: optimizing {}", workspace::shown(module)));
    let option = Path::new;
    run(
        "wasm-metadce",
        &[built, option("--graph-file"), &graph, option("-o"), &trimmed],
    )?;
    run("wasm-opt", &[option(LEVEL), &trimmed, option("-o"), &small])?;
    // Envoy may be running with the old module: a new file replaces it, and nothing is written into the old one.
    fs::rename(&small, module).map_err(|error| format!("replacing {} failed: {error}", module.display()))?;
    stamp.set()
}

/// The exports that wasm-metadce keeps. Envoy calls every callback that a module exports, and each call enters the VM
/// for every request, whether the callback does anything or not.
fn exports_graph() -> String {
    let nodes = EXPORTS.map(|name| format!(r#"{{"name":"{name}","export":"{name}"}}"#));
    let names = EXPORTS.map(|name| format!(r#""{name}""#));
    format!(
        r#"[{{"name":"envoy","root":true,"reaches":[{}]}},{}]"#,
        names.join(","),
        nodes.join(",")
    )
}

/// A cargo that can build for the target.
pub(super) fn compiler() -> Result<Command> {
    if rust_target::has(TARGET) {
        return Ok(command::cargo());
    }
    if is_debian_installed() {
        return Ok(debian());
    }
    match rust_target::add(TARGET) {
        Ok(true) if rust_target::has(TARGET) => return Ok(command::cargo()),
        Ok(_) => {}
        Err(message) => command::warn(&message),
    }
    if apt::is_usable() {
        apt::install(&DEBIAN_PACKAGES)?;
        if is_debian_installed() {
            return Ok(debian());
        }
    }
    Err(format!(
        "missing Rust target {TARGET}: run `rustup target add {TARGET}`, or on Debian install {}",
        DEBIAN_PACKAGES.join(" ")
    ))
}

/// Whether Debian's compiler is installed, with the sources of the standard library, since it has no library for the target.
fn is_debian_installed() -> bool {
    Path::new("/usr/bin/cargo").is_file()
        && Path::new("/usr/lib/rustlib/src/rust/library/std/Cargo.toml").is_file()
        && command::find(DEBIAN_LINKER).is_some()
}

fn debian() -> Command {
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo
        .args(["-Zbuild-std=std,panic_abort"])
        .env("RUSTC", "/usr/bin/rustc")
        // A released compiler builds its standard library only with this permission.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER)
        .env_remove("RUSTUP_TOOLCHAIN");
    cargo
}
