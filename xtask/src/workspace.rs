//! Paths in the repository.

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

/// `target`: the demo's files, the tools and the filter. Always in the repository, since `envoy/envoy.yaml` names it.
pub(crate) fn target() -> PathBuf {
    path("target")
}

/// `target/tools`: tools that the project has fetched.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}
