//! Ory Hydra, built from its Go module.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use demo_system::files;

use crate::result::Result;
use crate::tools::node::Node;
use crate::{command, workspace};

const MODULE: &str = "github.com/ory/hydra/v2";
const VERSION: &str = "v2.3.0";
/// What Hydra's own module replaces: such lines count only in the main module.
const REPLACED: &str = "github.com/gobuffalo/pop/v6=github.com/ory/pop/v6@v6.2.1-0.20241121111754-e5dfc0f3344b";

/// The program.
pub(super) fn fetch(_: &Node) -> Result<(&'static str, OsString)> {
    let folder = workspace::tools().join(format!("hydra-{VERSION}"));
    let program = folder.join("hydra");
    if !program.is_file() {
        build(&folder, &program)?;
    }
    Ok(("INTEROP_HYDRA", program.into()))
}

/// The main module is an empty one, because a module that replaces others cannot be installed as it is.
fn build(folder: &Path, program: &Path) -> Result<()> {
    let go = command::find("go").ok_or(
        "missing Go, which builds Hydra: install it (https://go.dev/dl, or your system's packages) and check that it is on PATH",
    )?;
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|error| format!("preparing {} failed: {error}", folder.display()))?;
    }
    files::create_dir(folder)?;
    files::write(&folder.join("go.mod"), "module interop\n\ngo 1.24\n")?;
    let go = |step: &str, arguments: &[&str]| {
        let mut command = Command::new(&go);
        command
            .args(arguments)
            .current_dir(folder)
            .env("CGO_ENABLED", "1")
            .env("GOFLAGS", "-mod=mod");
        command::run(
            step,
            &mut command,
            "check that Go reaches its module proxy, and that a C compiler is installed",
        )
    };
    go(
        "fetching Ory Hydra's module",
        &["get", "-tool", &format!("{MODULE}@{VERSION}")],
    )?;
    go("replacing one of its modules", &["mod", "edit", "-replace", REPLACED])?;
    let version = format!("-s -w -X {MODULE}/driver/config.Version={VERSION}");
    go(
        "building Ory Hydra (takes a few minutes)",
        &[
            "build",
            "-tags",
            "sqlite",
            "-ldflags",
            &version,
            "-o",
            &program.to_string_lossy(),
            MODULE,
        ],
    )
}
