//! oauth2-proxy, which `cargo xtask bench` measures beside the filter: built from its Go module.

use std::path::PathBuf;

use super::go::Program;
use crate::result::Result;

const PACKAGE: &str = "github.com/oauth2-proxy/oauth2-proxy/v7";
const VERSION: &str = "v7.15.6";

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    let version = format!("-s -w -X {PACKAGE}/pkg/version.VERSION={VERSION}");
    Program {
        module: &format!("{PACKAGE}@{VERSION}"),
        package: PACKAGE,
        replaced: &[],
        arguments: &["-ldflags", &version],
    }
    .find_or_build("oauth2-proxy")
}
