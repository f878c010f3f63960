//! The proxy-wasm module in the forms of the Wasm image specification
//! (<https://github.com/solo-io/wasm/blob/master/spec/README.md>), which Istio and Envoy Gateway accept.
//! In `oci`, an OCI image layout, under these names:
//!
//! * `compat`: one ordinary layer that contains `plugin.wasm`, with OCI's media types. For any registry and tool.
//! * `artifact`: the module itself as a layer, with media types of its own (the specification's variant "oci").
//!
//! In `docker`, the ordinary layer with Docker's media types in skopeo's `dir:` format, since an OCI layout cannot hold it.

use std::path::{Path, PathBuf};

use demo_system::files;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use super::digest::sha256;
use crate::result::Result;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The name of the module in a layer, as the specification has it.
const PLUGIN: &str = "plugin.wasm";

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const WASM_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
const WASM_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

/// Writes both folders, and returns the names of the images and their digests.
pub(super) fn write(folder: &Path, module: &[u8]) -> Result<Vec<(&'static str, String)>> {
    let (oci, docker) = (folder.join("oci"), folder.join("docker"));
    let layout = Blobs(oci.join("blobs/sha256"));
    let directory = Blobs(docker.clone());
    files::create_dir(&layout.0)?;
    files::create_dir(&docker)?;
    let tar = tar(module).map_err(|error| format!("writing the layer of the images failed: {error}"))?;
    let layer = gzip(&tar).map_err(|error| format!("compressing the layer of the images failed: {error}"))?;
    // No time and no history: they would differ between builds. The module runs on any platform, but these fields are
    // required, with the values of `docker build`.
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&tar))]},
    })
    .to_string();

    let mut compat_annotations = annotations();
    compat_annotations["module.wasm.image/variant"] = json!("compat");
    let compat = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.store(OCI_CONFIG, config.as_bytes())?,
        "layers": [layout.store(OCI_LAYER, &layer)?],
        "annotations": compat_annotations,
    });
    let for_docker = json!({
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": directory.store(DOCKER_CONFIG, config.as_bytes())?,
        "layers": [directory.store(DOCKER_LAYER, &layer)?],
    })
    .to_string();
    files::write(&docker.join("version"), b"Directory Transport Version: 1.1\n")?;
    files::write(&docker.join("manifest.json"), for_docker.as_bytes())?;
    let runtime = json!({
        "type": "envoy_proxy",
        "abiVersions": ["v0.2.1"],
        "config": {"rootIds": ["bff_filter"]},
    })
    .to_string();
    let mut runtime = layout.store(WASM_CONFIG, runtime.as_bytes())?;
    runtime["annotations"] = json!({"org.opencontainers.image.title": "runtime-config.json"});
    let mut plugin = layout.store(WASM_LAYER, module)?;
    plugin["annotations"] = json!({"org.opencontainers.image.title": PLUGIN});
    let artifact = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": WASM_CONFIG,
        "config": layout.store(OCI_EMPTY, b"{}")?,
        "layers": [runtime, plugin],
        "annotations": annotations(),
    });

    let mut index = Vec::new();
    let mut digests = vec![("dir:docker", format!("sha256:{}", sha256(for_docker.as_bytes())))];
    for (name, image, manifest) in [
        ("compat", "oci:oci:compat", compat),
        ("artifact", "oci:oci:artifact", artifact),
    ] {
        let mut entry = layout.store(OCI_MANIFEST, manifest.to_string().as_bytes())?;
        digests.push((image, entry["digest"].as_str().unwrap_or_default().to_owned()));
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        index.push(entry);
    }
    let index = json!({"schemaVersion": 2, "manifests": index}).to_string();
    files::write(&oci.join("index.json"), index.as_bytes())?;
    let version = json!({"imageLayoutVersion": "1.0.0"}).to_string();
    files::write(&oci.join("oci-layout"), version.as_bytes())?;
    Ok(digests)
}

fn annotations() -> Value {
    json!({
        "org.opencontainers.image.title": "bff-filter",
        "org.opencontainers.image.description": "Backend for Frontend for Envoy: the filter",
        "org.opencontainers.image.version": VERSION,
        "org.opencontainers.image.licenses": "Apache-2.0",
    })
}

/// A folder of files that are named after their digests.
struct Blobs(PathBuf);

impl Blobs {
    /// Stores the bytes under their digest, and returns the descriptor.
    fn store(&self, media_type: &str, bytes: &[u8]) -> Result<Value> {
        let digest = sha256(bytes);
        files::write(&self.0.join(&digest), bytes)?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()}))
    }
}

/// An archive with the module as its only file, without any trace of the place and time of the build.
fn tar(module: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(module.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, PLUGIN, module)?;
    archive.into_inner()
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut encoder, bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    const MODULE: &[u8] = b"\0asm and so on";

    struct Written(tempfile::TempDir);

    impl Written {
        fn new() -> Written {
            let folder = tempfile::tempdir().expect("a folder");
            write(folder.path(), MODULE).expect("written");
            Written(folder)
        }

        fn json(&self, path: &str) -> Value {
            let bytes = fs::read(self.0.path().join(path)).expect("read");
            serde_json::from_slice(&bytes).expect("JSON")
        }

        /// The content that a descriptor refers to, after a check of digest and size.
        fn blob(&self, descriptor: &Value) -> Vec<u8> {
            self.blob_in("oci/blobs/sha256", descriptor)
        }

        fn blob_in(&self, folder: &str, descriptor: &Value) -> Vec<u8> {
            let digest = descriptor["digest"].as_str().expect("a digest");
            let hex = digest.strip_prefix("sha256:").expect("SHA-256");
            let bytes = fs::read(self.0.path().join(folder).join(hex)).expect("a blob");
            assert_eq!(sha256(&bytes), hex);
            assert_eq!(descriptor["size"], bytes.len());
            bytes
        }

        fn manifest(&self, name: &str) -> Value {
            let index = self.json("oci/index.json");
            let manifests = index["manifests"].as_array().expect("manifests");
            let named = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == name;
            serde_json::from_slice(&self.blob(manifests.iter().find(named).expect("an image"))).expect("JSON")
        }
    }

    #[test]
    fn the_ordinary_images_have_one_layer_with_the_module_as_plugin_wasm() {
        let written = Written::new();
        for (manifest, folder, layer_type) in [
            (written.manifest("compat"), "oci/blobs/sha256", OCI_LAYER),
            (written.json("docker/manifest.json"), "docker", DOCKER_LAYER),
        ] {
            let layers = manifest["layers"].as_array().expect("layers");
            assert_eq!(layers.len(), 1);
            assert_eq!(layers[0]["mediaType"], layer_type);
            let mut tar = Vec::new();
            GzDecoder::new(written.blob_in(folder, &layers[0]).as_slice())
                .read_to_end(&mut tar)
                .expect("gzip");
            let config: Value = serde_json::from_slice(&written.blob_in(folder, &manifest["config"])).expect("JSON");
            assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256(&tar)));
            let mut archive = tar::Archive::new(tar.as_slice());
            let mut entries = archive.entries().expect("entries");
            let mut entry = entries.next().expect("a file").expect("readable");
            assert_eq!(entry.path().expect("a path").to_str(), Some("plugin.wasm"));
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("read");
            assert_eq!(content, MODULE);
            assert!(entries.next().is_none());
        }
        assert_eq!(
            written.manifest("compat")["annotations"]["module.wasm.image/variant"],
            "compat"
        );
    }

    #[test]
    fn the_artifact_has_two_layers_of_which_the_second_is_the_module_itself() {
        let written = Written::new();
        let manifest = written.manifest("artifact");
        let layers = manifest["layers"].as_array().expect("layers");
        assert_eq!(layers.len(), 2, "Istio takes two, neither more nor less");
        assert_eq!(layers[0]["mediaType"], WASM_CONFIG);
        assert_eq!(layers[1]["mediaType"], WASM_LAYER);
        assert_eq!(written.blob(&layers[1]), MODULE);
        written.blob(&layers[0]);
    }
}
