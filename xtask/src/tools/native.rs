//! The filter as a native module for Envoy's dynamic modules.

use std::path::PathBuf;

use crate::result::Result;
use crate::{command, workspace};

/// Cargo's profile of the module.
const PROFILE: &str = "native";
const FILE: &str = "libbff_module.so";

/// The path of the module.
pub(crate) fn module() -> PathBuf {
    workspace::target().join(PROFILE).join(FILE)
}

/// Builds the module, and returns its path.
pub(crate) fn build() -> Result<PathBuf> {
    let mut cargo = command::cargo();
    cargo
        .args(["build", "--package", "bff-module", "--profile", PROFILE])
        .current_dir(workspace::root());
    command::run(
        "building the native module",
        &mut cargo,
        "see the compiler's message above",
    )?;
    Ok(module())
}
