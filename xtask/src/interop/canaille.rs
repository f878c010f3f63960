//! Canaille, from PyPI.

use std::ffi::OsString;

use crate::result::Result;
use crate::tools::node::Node;
use crate::tools::venv::Environment;

const ENVIRONMENT: Environment = Environment {
    name: "canaille",
    version: "0.3.6",
    packages: &[
        "canaille[front,oidc,server,sqlite]==0.3.6",
        "Authlib==1.9.10",
        "joserfc==1.8.0",
    ],
};

/// Fetches Canaille. The value is the path of its program.
pub(super) fn fetch(_: &Node) -> Result<(&'static str, OsString)> {
    let programs = ENVIRONMENT.fetch()?;
    Ok(("INTEROP_CANAILLE", programs.join("canaille").into()))
}
