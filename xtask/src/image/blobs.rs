//! The content of images, in files that are named after their digests.

use std::path::PathBuf;

use demo_system::files;
use serde_json::{Value, json};

use crate::digest::sha256;
use crate::result::Result;

pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A folder of such files.
pub(super) struct Blobs(pub(super) PathBuf);

impl Blobs {
    /// Stores the bytes under their digest, and returns the descriptor.
    pub(super) fn store(&self, media_type: &str, bytes: &[u8]) -> Result<Value> {
        let digest = sha256(bytes);
        files::write(&self.0.join(&digest), bytes)?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()}))
    }
}

/// The configuration of an image with one layer, whose archive this is, uncompressed. No time and no history: they would
/// differ between builds.
pub(super) fn config(architecture: &str, tar: &[u8]) -> String {
    json!({
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(tar))]},
    })
    .to_string()
}

/// The annotations of an image.
pub(super) fn annotations(title: &str, description: &str) -> Value {
    json!({
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.description": description,
        "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        "org.opencontainers.image.licenses": "Apache-2.0",
    })
}
