//! Schemathesis, which generates requests from the API's description: `$SCHEMATHESIS`, PATH, or the Python package in a
//! virtual environment of the project's own.

use std::path::PathBuf;
use std::process::Command;

use super::apt;
use crate::result::Result;
use crate::{command, workspace};

const NAME: &str = "schemathesis";
const VERSION: &str = "4.32.5";

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(found) = command::named_by("SCHEMATHESIS")? {
        return Ok(found);
    }
    if let Some(found) = command::find(NAME) {
        return Ok(found);
    }
    let folder = workspace::tools().join(format!("{NAME}-{VERSION}"));
    let program = folder.join("bin").join(NAME);
    if program.is_file() {
        return Ok(program);
    }
    let python = command::find("python3")
        .ok_or("missing Python 3 for schemathesis: install it, or set SCHEMATHESIS to the path of schemathesis")?;
    let _ = std::fs::remove_dir_all(&folder);
    let make = || {
        let mut make = Command::new(&python);
        make.args(["-m", "venv"]).arg(&folder);
        make
    };
    if !command::status(&mut make())?.success() {
        if !apt::is_usable() {
            return Err(
                "missing Python's venv for schemathesis: install it, for example with `apt-get install python3-venv`"
                    .to_owned(),
            );
        }
        apt::install(&["python3-venv"])?;
        command::run(
            "creating a virtual environment",
            &mut make(),
            "check that Python's venv is installed",
        )?;
    }
    command::run(
        "fetching schemathesis into target/tools",
        Command::new(folder.join("bin").join("pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .arg(format!("{NAME}=={VERSION}")),
        "check that pip reaches the Python Package Index, or set SCHEMATHESIS to the path of schemathesis",
    )
    .inspect_err(|_| {
        // The next run would use a partial environment as a complete one.
        let _ = std::fs::remove_dir_all(&folder);
    })?;
    Ok(program)
}
