//! The native module: one image for all architectures, and an archive for each of them.

use std::path::Path;

use demo_system::files;
use serde_json::{Value, json};

use super::archive;
use super::blobs::{self, Blobs, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use crate::result::Result;
use crate::tools::native::{Architecture, FILE};

/// The module for one architecture.
pub(super) struct Native {
    pub(super) architecture: Architecture,
    pub(super) module: Vec<u8>,
    /// Its bill of materials.
    pub(super) sbom: String,
}

impl Native {
    /// The name of its archive.
    pub(super) fn archive_name(&self) -> String {
        format!("bff_module-linux-{}.tar.gz", self.architecture.name())
    }

    /// The name of its bill of materials.
    pub(super) fn sbom_name(&self) -> String {
        format!("bff_module-linux-{}.cdx.json", self.architecture.name())
    }

    /// Its archive: the module, the license and the bill of materials.
    pub(super) fn archive(&self, license: &[u8]) -> Result<Vec<u8>> {
        let files = [
            (FILE, self.module.as_slice()),
            ("LICENSE", license),
            ("bff_module.cdx.json", self.sbom.as_bytes()),
        ];
        archive::tar(&files)
            .and_then(|tar| archive::gzip(&tar))
            .map_err(|error| format!("writing the archive of the native module failed: {error}"))
    }
}

/// Stores the image, whose only layer has the module and the license, and returns its descriptor.
pub(super) fn store(layout: &Blobs, modules: &[Native], license: &[u8]) -> Result<Value> {
    let mut manifests = Vec::new();
    for native in modules {
        let name = native.architecture.name();
        let failed = |error: std::io::Error| format!("writing the layer of the native module's image failed: {error}");
        let tar = archive::tar(&[(FILE, native.module.as_slice()), ("LICENSE", license)]).map_err(failed)?;
        let layer = archive::gzip(&tar).map_err(failed)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": layout.store(OCI_CONFIG, blobs::config(name, &tar).as_bytes())?,
            "layers": [layout.store(OCI_LAYER, &layer)?],
            "annotations": annotations(),
        });
        let mut entry = layout.store(OCI_MANIFEST, manifest.to_string().as_bytes())?;
        entry["platform"] = json!({"architecture": name, "os": "linux"});
        manifests.push(entry);
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": manifests,
        "annotations": annotations(),
    });
    layout.store(OCI_INDEX, index.to_string().as_bytes())
}

fn annotations() -> Value {
    blobs::annotations(
        "bff-native-module",
        "Backend for Frontend for Envoy: the filter as a native module",
    )
}

/// Writes archives and bills of materials into the folder, and returns their names and contents.
pub(super) fn write(folder: &Path, modules: &[Native], license: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut written = Vec::new();
    for native in modules {
        written.push((native.archive_name(), native.archive(license)?));
        written.push((native.sbom_name(), native.sbom.clone().into_bytes()));
    }
    for (name, content) in &written {
        files::write(&folder.join(name), content)?;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn modules() -> Vec<Native> {
        let all = Architecture::ALL.into_iter();
        all.map(|architecture| Native {
            architecture,
            module: architecture.target().as_bytes().to_vec(),
            sbom: "{}".to_owned(),
        })
        .collect()
    }

    /// The names and contents of an archive.
    fn unpacked(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut archive = tar::Archive::new(GzDecoder::new(archive));
        let entries = archive.entries().expect("entries");
        entries
            .map(|entry| {
                let mut entry = entry.expect("readable");
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("read");
                let name = entry.path().expect("a path").to_string_lossy().into_owned();
                (name, content)
            })
            .collect()
    }

    #[test]
    fn the_archive_has_the_module_the_licence_and_the_bill_of_materials() {
        let [amd64, _] = &modules()[..] else { panic!("two") };
        let files = unpacked(&amd64.archive(b"license").expect("an archive"));
        let expected: [(&str, &[u8]); 3] = [
            ("libbff_module.so", b"x86_64-unknown-linux-gnu"),
            ("LICENSE", b"license"),
            ("bff_module.cdx.json", b"{}"),
        ];
        assert_eq!(
            files,
            expected.map(|(name, content)| (name.to_owned(), content.to_vec()))
        );
    }

    #[test]
    fn the_image_has_the_module_of_each_architecture_at_its_root() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Blobs(folder.path().to_owned());
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().expect("a digest").replace("sha256:", "");
            std::fs::read(folder.path().join(digest)).expect("a blob")
        };
        let json = |descriptor: &Value| -> Value { serde_json::from_slice(&blob(descriptor)).expect("JSON") };
        let index = json(&store(&layout, &modules(), b"license").expect("stored"));
        let manifests = index["manifests"].as_array().expect("manifests");
        assert_eq!(manifests.len(), 2);
        for (entry, architecture) in manifests.iter().zip(Architecture::ALL) {
            assert_eq!(
                entry["platform"],
                json!({"architecture": architecture.name(), "os": "linux"})
            );
            let manifest = json(entry);
            assert_eq!(json(&manifest["config"])["architecture"], architecture.name());
            let files = unpacked(&blob(&manifest["layers"][0]));
            assert_eq!(
                files[0],
                ("libbff_module.so".to_owned(), architecture.target().as_bytes().to_vec())
            );
        }
    }
}
