//! Paths in the repository.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        // Cargo sets it for the program that it runs. The folder at compile time is another one in a copy of a checkout whose
        // `target` was copied too: cargo does not build this program again there.
        let manifest =
            std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        manifest.parent().map_or_else(|| manifest.clone(), Path::to_owned)
    });
    &ROOT
}

/// A path below the root.
pub(crate) fn path(relative: &str) -> PathBuf {
    root().join(relative)
}

/// `target`: the demo's files, the tools and the filter. Always in the repository, since `envoy/envoy.yaml` names it.
pub(crate) fn target() -> PathBuf {
    path("target")
}

/// `target/tools`: tools that the project has fetched.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// A path as messages show it: if it is in the repository, relative to its root.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
