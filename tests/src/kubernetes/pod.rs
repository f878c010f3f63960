//! The containers of the chart's pods, run as the kubelet would run them: their arguments, environment and files, with the
//! addresses and ports of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use demo_system::Ports;
use serde_json::Value;

use super::envoy::of_kind;
use super::manifests::Manifest;
use crate::setup::artifacts;

/// What the chart renders for one release, and a folder in the place of the pods' file systems.
pub struct Pods {
    manifests: Vec<Manifest>,
    folder: PathBuf,
    ports: Ports,
    /// Variables of this machine beside those of the chart.
    pub environment: Vec<(&'static str, String)>,
}

impl Pods {
    /// Writes the files that the kubelet would mount. `change` changes the service's configuration.
    pub fn new(manifests: Vec<Manifest>, folder: &Path, change: impl Fn(&str) -> String) -> Self {
        let pods = Self {
            manifests,
            folder: folder.to_owned(),
            ports: Ports::free(),
            environment: Vec::new(),
        };
        let configuration = &pods.first("ConfigMap").content["data"];
        for (name, text) in configuration.as_object().expect("data") {
            pods.write(
                &format!("/etc/bff/config/{name}"),
                &change(text.as_str().expect("text")),
            );
        }
        let volumes = &pods.service()["volumes"];
        for source in volumes[1]["projected"]["sources"].as_array().expect("sources") {
            let path = source["secret"]["items"][0]["path"].as_str().expect("a path");
            // Sixty-four hexadecimal digits: a cookie key and a client secret alike.
            pods.write(&format!("/etc/bff/secrets/{path}"), &"0123456789abcdef".repeat(4));
        }
        pods
    }

    fn first(&self, kind: &'static str) -> &Manifest {
        let found = of_kind(&self.manifests, kind).next();
        found.unwrap_or_else(|| panic!("missing {kind} in the chart"))
    }

    /// The specification of the service's pods.
    pub fn service(&self) -> &Value {
        &self.first("Deployment").content["spec"]["template"]["spec"]
    }

    /// The specification of the pod of `helm test`.
    pub fn test(&self) -> &Value {
        &self.first("Pod").content["spec"]
    }

    /// The address of the service's admin listener.
    pub fn admin(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.ports.bff_admin).into()
    }

    /// The command of a pod's container.
    pub fn command(&self, pod: &Value) -> Command {
        let container = &pod["containers"][0];
        assert!(
            container.get("command").is_none(),
            "the container has a `command`: the image's own program must run"
        );
        let arguments = container["args"].as_array().expect("arguments");
        let mut command = Command::new(artifacts().bff_service);
        command.args(
            arguments
                .iter()
                .map(|argument| self.local(argument.as_str().expect("text"))),
        );
        for variable in container["env"].as_array().expect("variables") {
            let name = variable["name"].as_str().expect("a name");
            let value = variable["value"].as_str().expect("a value");
            command.env(name, self.value(name, value));
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command
    }

    fn value(&self, name: &str, value: &str) -> String {
        match (name, value) {
            // All addresses of the pod.
            ("BFF_SERVER__ADDRESS" | "BFF_SERVER__ADMIN_ADDRESS", "0.0.0.0") => "127.0.0.1".to_owned(),
            // The address of a Service, in a variable of the kubelet.
            ("BFF_SERVER__ADMIN_ADDRESS", "$(BFF_SERVICE_ADMIN_SERVICE_HOST)") => "127.0.0.1".to_owned(),
            ("BFF_SERVER__ADDRESS" | "BFF_SERVER__ADMIN_ADDRESS", other) => {
                panic!("{name} is {other}: add its translation to tests/src/kubernetes/pod.rs")
            }
            ("BFF_SERVER__PORT", _) => self.ports.bff.to_string(),
            ("BFF_SERVER__ADMIN_PORT", _) => self.ports.bff_admin.to_string(),
            (_, other) => self.local(other),
        }
    }

    fn local(&self, text: &str) -> String {
        match text.starts_with("/etc/bff/") {
            true => self.file(text).to_string_lossy().into_owned(),
            false => text.to_owned(),
        }
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.file(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    }
}
