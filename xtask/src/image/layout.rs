//! The proxy-wasm module in the forms of the Wasm image specification
//! (<https://github.com/solo-io/wasm/blob/master/spec/README.md>), which Istio and Envoy Gateway accept.
//! In `oci`, an OCI image layout, under these names:
//!
//! * `compat`: one ordinary layer that contains `plugin.wasm`, with OCI's media types. For any registry and tool.
//! * `artifact`: the module itself as a layer, with media types of its own (the specification's variant "oci").
//! * `native-module`: the native module, if it was built (see [`native`]).
//!
//! In `docker`, the ordinary layer with Docker's media types in skopeo's `dir:` format, since an OCI layout cannot hold it.

use std::path::Path;

use demo_system::files;
use serde_json::{Value, json};

use super::archive;
use super::blobs::{self, Blobs, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use super::native::{self, Native};
use crate::digest::sha256;
use crate::result::Result;

/// The name of the module in a layer, as the specification has it.
const PLUGIN: &str = "plugin.wasm";

const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const WASM_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
const WASM_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

/// Writes both folders, and returns the names of the images and their digests.
pub(super) fn write(
    folder: &Path,
    module: &[u8],
    native: &[Native],
    license: &[u8],
) -> Result<Vec<(&'static str, String)>> {
    let (oci, docker) = (folder.join("oci"), folder.join("docker"));
    let layout = Blobs(oci.join("blobs/sha256"));
    let directory = Blobs(docker.clone());
    files::create_dir(&layout.0)?;
    files::create_dir(&docker)?;
    let tar = archive::tar(&[(PLUGIN, module)])
        .map_err(|error| format!("writing the layer of the images failed: {error}"))?;
    let layer = archive::gzip(&tar).map_err(|error| format!("compressing the layer of the images failed: {error}"))?;
    // The module runs on any platform, but these fields are required, with the values of `docker build`.
    let config = blobs::config("amd64", &tar);

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
    if !native.is_empty() {
        let mut entry = native::store(&layout, native, license)?;
        digests.push((
            "oci:oci:native-module",
            entry["digest"].as_str().unwrap_or_default().to_owned(),
        ));
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": "native-module"});
        index.push(entry);
    }
    let index = json!({"schemaVersion": 2, "manifests": index}).to_string();
    files::write(&oci.join("index.json"), index.as_bytes())?;
    let version = json!({"imageLayoutVersion": "1.0.0"}).to_string();
    files::write(&oci.join("oci-layout"), version.as_bytes())?;
    Ok(digests)
}

fn annotations() -> Value {
    blobs::annotations("bff-filter", "Backend for Frontend for Envoy: the filter")
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
            write(folder.path(), MODULE, &[], b"").expect("written");
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
