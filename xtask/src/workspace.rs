//! Where things are in the repository.

use std::path::{Path, PathBuf};

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// A path below the root.
pub(crate) fn path(relative: &str) -> PathBuf {
    root().join(relative)
}

/// `target`, where the demo's files, the tools and the filter are. Always in the repository: `envoy/envoy.yaml` names it.
pub(crate) fn target() -> PathBuf {
    path("target")
}

/// `target/tools`: programs of the project's own.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}
