//! The API server, by kubectl.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bff_tests::kubernetes::manifests::Manifest;
use serde_json::{Value, json};

/// The API server, for its administrator.
pub(crate) struct Kubernetes {
    kubectl: PathBuf,
    /// The file that says where the API server is, and has the administrator's credential.
    pub(crate) configuration: PathBuf,
}

impl Kubernetes {
    /// From KUBECTL and KUBECONFIG.
    pub(crate) fn from_env() -> Self {
        let path = |name: &str| {
            let value = std::env::var_os(name);
            PathBuf::from(value.unwrap_or_else(|| panic!("missing {name}: run this with `cargo xtask control-planes`")))
        };
        Self {
            kubectl: path("KUBECTL"),
            configuration: path("KUBECONFIG"),
        }
    }

    /// Runs kubectl with this input, and returns its output.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> String {
        let mut kubectl = Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(&self.configuration)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let mut stdin = kubectl.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("kubectl reads it");
        drop(stdin);
        let output = kubectl.wait_with_output().expect("kubectl ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "`kubectl {}` failed: {said}",
            arguments.join(" ")
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// Applies objects by server-side apply, and takes over what another run owned.
    pub(crate) fn apply(&self, objects: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        self.run(
            &["apply", "--server-side", "--force-conflicts", "--filename", "-"],
            &list,
        );
    }

    /// Applies manifests.
    pub(crate) fn apply_manifests(&self, manifests: &[Manifest]) {
        let contents: Vec<Value> = manifests.iter().map(|manifest| manifest.content.clone()).collect();
        self.apply(&contents);
    }

    /// Deletes objects of these kinds in a namespace: all, or the one with this name.
    pub(crate) fn delete(&self, kinds: &str, namespace: &str, which: &str) {
        self.run(
            &["delete", kinds, which, "--namespace", namespace, "--ignore-not-found"],
            "",
        );
    }

    /// Objects of a kind in a namespace.
    pub(crate) fn list(&self, kind: &str, namespace: &str) -> Vec<Value> {
        let text = self.run(&["get", kind, "--namespace", namespace, "--output", "json"], "");
        let list: Value = serde_json::from_str(&text).expect("JSON");
        list["items"].as_array().cloned().expect("a list")
    }

    /// A token of a service account.
    pub(crate) fn token(&self, namespace: &str, account: &str, audience: &str) -> String {
        let arguments = [
            "create",
            "token",
            account,
            "--namespace",
            namespace,
            "--audience",
            audience,
        ];
        self.run(&arguments, "").trim().to_owned()
    }
}
