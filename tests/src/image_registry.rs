//! A registry of images with one image layout: the part of the OCI distribution specification with which images are pulled.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::proxy;

/// Starts a registry at a loopback port, which serves the image that is called `name` in an OCI image layout: under any tag,
/// and its parts under their digests. Returns its address.
pub fn start(layout: &Path, name: &str) -> SocketAddr {
    let index = fs::read_to_string(layout.join("index.json")).expect("an image layout");
    let index: Value = serde_json::from_str(&index).expect("JSON");
    let is_named = |manifest: &&Value| manifest["annotations"]["org.opencontainers.image.ref.name"] == name;
    let manifest = index["manifests"].as_array().expect("manifests").iter().find(is_named);
    let manifest = manifest.unwrap_or_else(|| {
        panic!(
            "missing image {name} in {}: build it with `cargo xtask image`",
            layout.display()
        )
    });
    let registry = Registry {
        blobs: layout.join("blobs/sha256"),
        tagged: manifest["digest"].as_str().expect("a digest").to_owned(),
        media_type: manifest["mediaType"].as_str().expect("a media type").to_owned(),
    };
    proxy::serve_many(move |incoming| {
        let without_body = incoming.head.starts_with(b"HEAD ");
        Some(registry.response(&incoming.path(), without_body))
    })
}

struct Registry {
    blobs: PathBuf,
    /// The digest of the manifest.
    tagged: String,
    media_type: String,
}

impl Registry {
    fn response(&self, path: &str, without_body: bool) -> Vec<u8> {
        if path == "/v2/" {
            return proxy::ok("application/json", b"{}");
        }
        let (rest, reference) = path.rsplit_once('/').unwrap_or_default();
        let is_manifest = rest.ends_with("/manifests");
        let digest = match is_manifest && !reference.starts_with("sha256:") {
            true => &self.tagged,
            false => reference,
        };
        let file = self.blobs.join(digest.trim_start_matches("sha256:"));
        let Ok(bytes) = fs::read(file) else {
            return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec();
        };
        let media_type = match is_manifest {
            true => &self.media_type,
            false => "application/octet-stream",
        };
        let line = format!("docker-content-digest: {digest}\r\n");
        let mut response = proxy::ok_with(&line, media_type, &bytes);
        if without_body {
            response.truncate(response.len() - bytes.len());
        }
        response
    }
}
