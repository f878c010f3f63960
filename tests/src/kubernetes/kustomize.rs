//! The kustomize bases of `envoy/istio` and `envoy/gateway`, rendered by kubectl in an overlay like the examples'.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::manifests::{self, Manifest};

/// The bases that have filters, each of which an overlay can be made of. The part before the slash is the gateway. The part
/// after a plus sign is a component that the overlay has too, after `names`.
pub const BASES: [&str; 5] = [
    "istio/wasm-plugin",
    "istio/traffic-extension",
    "istio/native-module",
    "gateway/v1.9",
    "gateway/v1.9+native-module",
];

/// What an overlay's `names.yaml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(pub BTreeMap<String, String>);

impl Names {
    /// Those of the example for a base's gateway.
    pub fn of_example(base: &str) -> Self {
        let text = read(&example(base).join("names.yaml"));
        let [map] = manifests::parse("names.yaml", &text)
            .try_into()
            .expect("names.yaml does not have exactly one ConfigMap");
        let data = map.content["data"].as_object().expect("data");
        let text = |value: &serde_json::Value| value.as_str().expect("a string").to_owned();
        Self(data.iter().map(|(key, value)| (key.clone(), text(value))).collect())
    }

    /// With each of these strings in the values replaced.
    pub fn replaced(mut self, replacements: &[(&str, String)]) -> Self {
        for value in self.0.values_mut() {
            for (find, with) in replacements {
                *value = value.replace(find, with);
            }
        }
        self
    }

    /// The file.
    fn file(&self) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "bff-names", "annotations": {"config.kubernetes.io/local-config": "true"}},
            "data": self.0,
        })
        .to_string()
    }
}

/// The resources of a base, in an overlay with these names.
///
/// # Errors
/// What kubectl says.
pub fn render(base: &str, names: &Names) -> Result<Vec<Manifest>, String> {
    render_with(base, names, &[])
}

/// Like [`render`], in an overlay that has further resources.
///
/// # Errors
/// What kubectl says.
pub fn render_with(base: &str, names: &Names, further: &[serde_json::Value]) -> Result<Vec<Manifest>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    // The example's, with the paths from this folder.
    let text = read(&example(base).join("kustomization.yaml"));
    let listed = |to: &Path| format!("  - {}", relative(folder.path(), to));
    let (path, component) = parts(base);
    let lines: Vec<String> = text
        .lines()
        .flat_map(|line| match line.trim_start().strip_prefix("- ../") {
            None => vec![line.to_owned()],
            Some("names") => {
                let names = listed(&example(base).join("../names"));
                let further = component.iter().map(|component| listed(component));
                std::iter::once(names).chain(further).collect()
            }
            Some(_) => vec![listed(&path)],
        })
        .collect();
    let mut text = lines.join("\n");
    for (number, resource) in further.iter().enumerate() {
        let file = format!("further-{number}.yaml");
        fs::write(folder.path().join(&file), resource.to_string()).expect("written");
        text = text.replace("  - names.yaml", &format!("  - names.yaml\n  - {file}"));
    }
    fs::write(folder.path().join("kustomization.yaml"), text).expect("written");
    fs::write(folder.path().join("names.yaml"), names.file()).expect("written");
    let rendered = kustomize(folder.path())?;
    Ok(manifests::parse(base, &rendered))
}

/// The resources of a base, with the example's names.
pub fn of_base(base: &str) -> Vec<Manifest> {
    render(base, &Names::of_example(base)).unwrap_or_else(|error| panic!("rendering {base} failed: {error}"))
}

/// What `kubectl kustomize` makes of a folder.
///
/// # Errors
/// What kubectl says.
pub fn kustomize(folder: &Path) -> Result<String, String> {
    let program = std::env::var_os("KUBECTL").expect("missing KUBECTL: run the tests with `cargo xtask test`");
    let output = Command::new(program)
        .arg("kustomize")
        .arg(folder)
        .env_remove("KUBECONFIG")
        .output()
        .expect("kubectl starts");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "`kubectl kustomize {}` failed: {}",
            folder.display(),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("reading {} failed: {error}", path.display()))
}

/// The folder of a base, and that of its component.
pub fn parts(base: &str) -> (PathBuf, Option<PathBuf>) {
    let (path, component) = match base.split_once('+') {
        Some((path, component)) => (path, Some(component)),
        None => (base, None),
    };
    let component = component.map(|name| example(base).join("..").join(name));
    (manifests::folder().join(path), component)
}

/// The example for a base's gateway.
pub fn example(base: &str) -> PathBuf {
    let (gateway, _) = base.split_once('/').expect("GATEWAY/BASE");
    manifests::folder().join(gateway).join("example")
}

/// A path from one folder to another, since kustomize takes no absolute ones.
fn relative(from: &Path, to: &Path) -> String {
    let (from, to) = (
        from.canonicalize().expect("a folder"),
        to.canonicalize().expect("a folder"),
    );
    // The root is the first component.
    let up = "../".repeat(from.components().count() - 1);
    format!("{up}{}", to.strip_prefix("/").expect("an absolute path").display())
}
