//! Zig as a linker: a wheel from PyPI. It has the symbols of many versions of glibc for several architectures, and a static
//! unwinder, so that what it links depends on nothing of the machine that links.

use std::path::{Path, PathBuf};

use demo_system::files;

use super::wheel::{self, Wheel};
use crate::result::Result;

const WHEEL: Wheel = Wheel {
    package: "ziglang",
    version: "0.15.2",
    sha256: "806316453d1ede7174ed3fefb8e5348154629089c3bb5fe812dfd0e172fac130",
    program: "ziglang/zig",
};

/// Whether there is a wheel for this machine, and Python to fetch it.
pub(super) fn is_usable() -> bool {
    WHEEL.is_usable()
}

/// Writes a program into this folder that links like a C compiler for a target of Zig, such as `x86_64-linux-gnu.2.28`.
/// Returns its path.
pub(super) fn linker(target: &str, folder: &Path) -> Result<PathBuf> {
    let zig = WHEEL.fetch()?;
    let script = folder.join(format!("link-{target}"));
    // In single quotes, each of which would be written as '\''.
    let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"));
    let cache = quoted(&folder.join("zig-cache"));
    files::create_dir(folder)?;
    files::write(
        &script,
        format!(
            "#!/bin/sh\nexport ZIG_GLOBAL_CACHE_DIR={cache} ZIG_LOCAL_CACHE_DIR={cache}\nexec {} cc -target {target} \"$@\"\n",
            quoted(&zig)
        ),
    )?;
    wheel::make_executable(&script)
        .map_err(|error| format!("making {} executable failed: {error}", script.display()))?;
    Ok(script)
}
