//! The manifests of both gateways, rendered by kubectl.

use std::path::{Path, PathBuf};
use std::process::Command;

use demo_system::files;

use crate::result::Result;
use crate::{command, workspace};

/// Renders the examples into `folder`.
pub(super) fn render_examples(kubectl: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    ["istio", "gateway"]
        .into_iter()
        .map(|gateway| {
            let example = workspace::path(&format!("envoy/{gateway}/example"));
            render(kubectl, &example, &folder.join(format!("{gateway}.yaml")))
        })
        .collect()
}

/// Renders Istio's example with TrafficExtensions instead of WasmPlugins into `folder`.
pub(super) fn render_with_traffic_extensions(kubectl: &Path, folder: &Path) -> Result<PathBuf> {
    let example = workspace::path("envoy/istio/example");
    let overlay = folder.join("traffic-extension");
    files::create_dir(&overlay)?;
    // kustomize takes no absolute paths.
    let absolute = |path: &Path| {
        path.canonicalize()
            .map_err(|error| format!("resolving the path {} failed: {error}", path.display()))
    };
    let up = "../".repeat(absolute(&overlay)?.components().count() - 1);
    let istio = absolute(&workspace::path("envoy/istio"))?;
    let istio = istio.strip_prefix("/").unwrap_or(&istio).display().to_string();
    let text = files::read(&example.join("kustomization.yaml"))?
        .replace("- ../wasm-plugin", "- ../traffic-extension")
        .replace("- ../", &format!("- {up}{istio}/"));
    files::write(&overlay.join("kustomization.yaml"), text)?;
    files::write(&overlay.join("names.yaml"), files::read(&example.join("names.yaml"))?)?;
    render(kubectl, &overlay, &folder.join("traffic-extension.yaml"))
}

fn render(kubectl: &Path, overlay: &Path, file: &Path) -> Result<PathBuf> {
    let text = command::run_for_output(
        &format!("rendering {}", overlay.display()),
        Command::new(kubectl).arg("kustomize").arg(overlay),
        "see the message of kubectl above",
    )?;
    files::write(file, text)?;
    Ok(file.to_owned())
}
