//! The manifests, as the API server would receive them.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::repository;

/// One resource.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Where it comes from: a kustomize base, or Helm with a file of values.
    pub file: String,
    /// The resource.
    pub content: Value,
}

impl Manifest {
    /// A string in it, by JSON pointer; empty if it is absent.
    pub fn text(&self, pointer: &str) -> &str {
        self.content
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The name in messages.
    pub fn title(&self) -> String {
        format!("{} {} of {}", self.kind(), self.name(), self.file)
    }
}

/// `envoy/` in the repository.
pub fn folder() -> PathBuf {
    repository::path("envoy")
}

/// The resources of the chart with one of the values files in its folder `ci`, rendered by Helm as the release
/// `bff-service` in the namespace `bff`.
pub fn of_chart(values: &str) -> Vec<Manifest> {
    let chart = folder().join("helm");
    let output = helm(&["template", "bff-service"])
        .arg(&chart)
        .args(["--namespace", "bff", "--values"])
        .arg(chart.join("ci").join(values))
        .output()
        .expect("Helm starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`helm template` with {values} failed: {said}");
    parse(&format!("helm with {values}"), &String::from_utf8_lossy(&output.stdout))
}

/// The names of the values files in the chart's folder `ci`.
pub fn values_of_chart() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder().join("helm/ci"))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(
        names.len() >= 5,
        "fewer than five values files in envoy/helm/ci: {names:?}"
    );
    names
}

/// A command of Helm that ignores the user's settings.
pub fn helm(arguments: &[&str]) -> Command {
    let program = std::env::var_os("HELM").expect("missing HELM: run the tests with `cargo xtask test`");
    let mut command = Command::new(program);
    command.args(arguments).env_remove("KUBECONFIG");
    command
}

/// The resources in a YAML text. A duplicate key is an error.
pub fn parse(file: &str, text: &str) -> Vec<Manifest> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("parsing {file} failed: {error}"));
    documents
        .into_iter()
        .filter(|content| !content.is_null())
        .map(|content| Manifest {
            file: file.to_owned(),
            content,
        })
        .collect()
}
