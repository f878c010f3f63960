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

/// The examples with the filters in another form: the gateway, the form, and the replaced line of `kustomization.yaml` with
/// what is in its place.
const OTHER_FORMS: [(&str, &str, &str, &str); 3] = [
    (
        "istio",
        "traffic-extension",
        "- ../wasm-plugin",
        "- ../traffic-extension",
    ),
    ("istio", "native-module", "- ../wasm-plugin", "- ../native-module"),
    (
        "gateway",
        "native-module",
        "- ../names\n",
        "- ../names\n  - ../native-module\n",
    ),
];

/// Renders the examples with the filters in each other form into `folder`.
pub(super) fn render_other_forms(kubectl: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let render = |(gateway, form, line, instead)| render_other_form(kubectl, folder, gateway, form, (line, instead));
    OTHER_FORMS.into_iter().map(render).collect()
}

fn render_other_form(
    kubectl: &Path,
    folder: &Path,
    gateway: &str,
    form: &str,
    (line, instead): (&str, &str),
) -> Result<PathBuf> {
    let example = workspace::path(&format!("envoy/{gateway}/example"));
    let name = format!("{gateway}-{form}");
    let overlay = folder.join(&name);
    files::create_dir(&overlay)?;
    // kustomize takes no absolute paths.
    let absolute = |path: &Path| {
        path.canonicalize()
            .map_err(|error| format!("resolving the path {} failed: {error}", path.display()))
    };
    let up = "../".repeat(absolute(&overlay)?.components().count() - 1);
    let of_gateway = absolute(&workspace::path(&format!("envoy/{gateway}")))?;
    let of_gateway = of_gateway
        .strip_prefix("/")
        .unwrap_or(&of_gateway)
        .display()
        .to_string();
    let text = files::read(&example.join("kustomization.yaml"))?
        .replace(line, instead)
        .replace("- ../", &format!("- {up}{of_gateway}/"));
    files::write(&overlay.join("kustomization.yaml"), text)?;
    files::write(&overlay.join("names.yaml"), files::read(&example.join("names.yaml"))?)?;
    render(kubectl, &overlay, &folder.join(format!("{name}.yaml")))
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
