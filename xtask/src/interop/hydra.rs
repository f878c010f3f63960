//! Ory Hydra, built from its Go module.

use std::ffi::OsString;

use crate::result::Result;
use crate::tools::go::Program;
use crate::tools::node::Node;

const VERSION: &str = "v2.3.0";
/// What Hydra's own module replaces.
const REPLACED: &str = "github.com/gobuffalo/pop/v6=github.com/ory/pop/v6@v6.2.1-0.20241121111754-e5dfc0f3344b";

/// Builds Hydra. The value is the path of its program.
pub(super) fn fetch(_: &Node) -> Result<(&'static str, OsString)> {
    let package = "github.com/ory/hydra/v2";
    let version = format!("-s -w -X {package}/driver/config.Version={VERSION}");
    let program = Program {
        module: &format!("{package}@{VERSION}"),
        package,
        replaced: &[REPLACED.to_owned()],
        arguments: &["-tags", "sqlite", "-ldflags", &version],
    }
    .find_or_build("hydra")?;
    Ok(("INTEROP_HYDRA", program.into()))
}
