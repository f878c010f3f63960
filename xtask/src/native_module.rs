//! `cargo xtask module`: the filter as a native module.

use std::process::ExitCode;

use demo_system::files;

use crate::digest::sha256;
use crate::result::Result;
use crate::tools::native::{self, Architecture};
use crate::{command, workspace};

/// The command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flags {
    architecture: Architecture,
}

impl Flags {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Flags> {
        let architecture = match arguments {
            [] => Architecture::of_this_machine(),
            ["--target", target] => Architecture::of_target(target)?,
            ["--target"] => return Err(format!("--target: missing: write {}", Architecture::targets())),
            [other, ..] => {
                return Err(format!(
                    "invalid argument `{other}` of module: write only --target {}, or nothing",
                    Architecture::targets()
                ));
            }
        };
        Ok(Flags { architecture })
    }
}

/// Builds the module, and prints its checksum as `sha256sum` does.
pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    let module = native::build_for(flags.architecture)?;
    command::progress(&format!("built the native module: {}", module.display()));
    println!(
        "{}  {}",
        sha256(&files::read_bytes(&module)?),
        workspace::shown(&module)
    );
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_target_the_module_is_for_this_machine() {
        let architecture = |arguments: &[&str]| Flags::parse(arguments).map(|flags| flags.architecture);
        assert_eq!(architecture(&[]), Ok(Architecture::of_this_machine()));
        assert_eq!(
            architecture(&["--target", "aarch64-unknown-linux-gnu"]),
            Ok(Architecture::Arm64)
        );
        for refused in [&["--target"] as &[&str], &["--target", "wasm32"], &["--release"]] {
            let error = architecture(refused).expect_err("refused");
            assert!(error.contains("aarch64-unknown-linux-gnu"), "{error}");
        }
    }
}
