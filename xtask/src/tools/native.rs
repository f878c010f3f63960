//! The filter as a native module for Envoy's dynamic modules. If Zig has linked it, it needs no newer C library than Envoy
//! itself, and no other library.

use std::fs;
use std::path::{Path, PathBuf};

use demo_system::files;

use super::{reproducible, rust_target, zig};
use crate::result::Result;
use crate::{command, workspace};

/// Cargo's profile of the module.
const PROFILE: &str = "native";
/// The name of the module's file, which Envoy derives from the name `bff_module`.
pub(crate) const FILE: &str = "libbff_module.so";
/// The newest version of glibc from which the module takes a symbol. Envoy 1.40 for x86-64 itself needs 2.30.
const GLIBC: &str = "2.28";

/// An architecture for which the module is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Architecture {
    pub(crate) const ALL: [Architecture; 2] = [Architecture::Amd64, Architecture::Arm64];

    /// The one of this machine.
    pub(crate) const fn of_this_machine() -> Architecture {
        match cfg!(target_arch = "aarch64") {
            true => Architecture::Arm64,
            false => Architecture::Amd64,
        }
    }

    /// The architecture of a target of Rust.
    ///
    /// # Errors
    /// The module is not built for this target.
    pub(crate) fn of_target(target: &str) -> Result<Architecture> {
        let mut all = Architecture::ALL.into_iter();
        all.find(|architecture| architecture.target() == target)
            .ok_or_else(|| format!("invalid target `{target}`: write {}", Architecture::targets()))
    }

    /// The targets, for a message.
    pub(crate) fn targets() -> String {
        Architecture::ALL.map(Architecture::target).join(" or ")
    }

    /// The target of Rust.
    pub(crate) const fn target(self) -> &'static str {
        match self {
            Architecture::Amd64 => "x86_64-unknown-linux-gnu",
            Architecture::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// The name in images, and in names of files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }

    /// The name in targets of Zig.
    const fn of_zig(self) -> &'static str {
        match self {
            Architecture::Amd64 => "x86_64",
            Architecture::Arm64 => "aarch64",
        }
    }
}

/// The path of the module for this machine.
pub(crate) fn module() -> PathBuf {
    module_for(Architecture::of_this_machine())
}

/// The path of the module: for an architecture other than this machine's, in a folder with the target's name.
pub(crate) fn module_for(architecture: Architecture) -> PathBuf {
    let folder = workspace::target().join("native");
    match architecture == Architecture::of_this_machine() {
        true => folder.join(FILE),
        false => folder.join(architecture.target()).join(FILE),
    }
}

/// Builds the module for this machine, and returns its path.
pub(crate) fn build() -> Result<PathBuf> {
    build_for(Architecture::of_this_machine())
}

/// Whether this machine can build the module as it is published.
pub(crate) fn can_be_published() -> bool {
    zig::is_usable()
}

/// Builds the module for an architecture, and returns its path.
pub(crate) fn build_for(architecture: Architecture) -> Result<PathBuf> {
    build_package("bff-module", architecture)?;
    let module = module_for(architecture);
    replace(&built(FILE, architecture), &module)?;
    Ok(module)
}

/// Builds the module that does nothing, for `cargo xtask bench`.
pub(crate) fn build_noop() -> Result<PathBuf> {
    let architecture = Architecture::of_this_machine();
    build_package("noop-module", architecture)?;
    Ok(built("libnoop_module.so", architecture))
}

/// The folder of the builds.
fn folder() -> PathBuf {
    workspace::target().join("native-build")
}

/// The file that the compiler writes.
fn built(file: &str, architecture: Architecture) -> PathBuf {
    folder().join(architecture.target()).join(PROFILE).join(file)
}

fn build_package(package: &str, architecture: Architecture) -> Result<()> {
    let target = architecture.target();
    let has_target = rust_target::has(target) || rust_target::add(target)? && rust_target::has(target);
    if !has_target {
        return Err(format!(
            "missing Rust target {target}: run `rustup target add {target}`"
        ));
    }
    let folder = folder();
    let linker = match zig::is_usable() {
        true => Some(zig::linker(
            &format!("{}-linux-gnu.{GLIBC}", architecture.of_zig()),
            &folder,
        )?),
        false if architecture == Architecture::of_this_machine() => {
            command::warn(
                "linking with this machine's linker: the module may need a C library as new as this machine's, and \
                 libgcc_s, which some images of Envoy do not have: build it on Linux with x86-64, Python 3 and pip",
            );
            None
        }
        false => {
            return Err(format!(
                "missing linker for {target}: build the module on Linux with x86-64, Python 3 and pip"
            ));
        }
    };
    let linker = linker.map(|path| format!("-Clinker={}", path.display()));
    let mut cargo = command::cargo();
    cargo
        .args(["build", "--package", package, "--profile", PROFILE, "--target", target])
        .arg("--target-dir")
        .arg(&folder)
        .arg("--config")
        .arg(reproducible::configuration(target, linker.as_slice())?)
        // They would replace the flags above.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(workspace::root());
    command::run(
        &format!("building the native module {package} for {target}"),
        &mut cargo,
        "see the compiler's message above",
    )
}

/// Puts a copy of a built module into its place. Envoy may be running with the old module: a new file replaces it, and nothing
/// is written into the old one.
fn replace(built: &Path, module: &Path) -> Result<()> {
    if let Some(parent) = module.parent() {
        files::create_dir(parent)?;
    }
    let copy = module.with_extension("new");
    let failed = |error: std::io::Error| format!("replacing {} failed: {error}", module.display());
    fs::copy(built, &copy).map_err(failed)?;
    fs::rename(&copy, module).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_named_as_rust_names_it() {
        for architecture in Architecture::ALL {
            assert_eq!(Architecture::of_target(architecture.target()), Ok(architecture));
        }
        let error = Architecture::of_target("aarch64").expect_err("refused");
        assert_eq!(
            error,
            "invalid target `aarch64`: write x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu"
        );
    }

    #[test]
    fn the_modules_of_two_architectures_are_two_files() {
        let [one, other] = Architecture::ALL.map(module_for);
        assert_ne!(one, other);
        assert!([one, other].contains(&workspace::target().join("native/libbff_module.so")));
    }
}
