//! Schemathesis, which generates requests from the API's description: `$SCHEMATHESIS`, PATH, or the Python package in a
//! virtual environment of the project's own.

use std::path::PathBuf;

use super::venv::Environment;
use crate::command;
use crate::result::Result;

const NAME: &str = "schemathesis";
const ENVIRONMENT: Environment = Environment {
    name: NAME,
    version: "4.32.5",
    packages: &["schemathesis==4.32.5"],
};

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(found) = command::named_by("SCHEMATHESIS")? {
        return Ok(found);
    }
    if let Some(found) = command::find(NAME) {
        return Ok(found);
    }
    match ENVIRONMENT.fetch() {
        Ok(programs) => Ok(programs.join(NAME)),
        Err(error) => Err(format!("{error}, or set SCHEMATHESIS to the path of schemathesis")),
    }
}
