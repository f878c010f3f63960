//! What only istio-proxy, or the agent beside it, has. The filter, its place, routes and clusters are not touched.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

/// Extensions of istio-proxy: telemetry between sidecars, and the protocol between them.
const EXTENSIONS: [&str; 3] = ["istio.metadata_exchange", "istio.alpn", "istio.stats"];

/// What was removed or replaced, and how often.
#[derive(Default)]
pub(super) struct Changes(BTreeMap<String, usize>);

impl Changes {
    /// Removes the extensions.
    pub(super) fn remove_extensions(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.retain(|item| {
                    let name = item["name"].as_str().unwrap_or_default();
                    let only_there = EXTENSIONS.contains(&name);
                    if only_there {
                        self.add(&format!("removed: {name}"));
                    }
                    !only_there
                });
                items.iter_mut().for_each(|item| self.remove_extensions(item));
            }
            Value::Object(fields) => fields.values_mut().for_each(|field| self.remove_extensions(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Removes the certificates that the agent has: of the mesh, and of public authorities, which `authorities` replace.
    pub(super) fn remove_agent(&mut self, cluster: &mut Value, authorities: &Path) {
        let fields = cluster.as_object_mut().expect("a cluster");
        // For pods with a sidecar. The service needs none, and is reached as `tlsMode-disabled` says: without TLS.
        if fields.remove("transportSocketMatches").is_some() {
            self.add("removed: mutual TLS to pods with sidecars");
        }
        let context = cluster.pointer_mut("/transportSocket/typedConfig/commonTlsContext");
        let Some(context) = context.and_then(Value::as_object_mut) else {
            return;
        };
        let mut combined = context
            .remove("combinedValidationContext")
            .expect("a validation context");
        let source = &combined["validationContextSdsSecretConfig"];
        assert_eq!(source["name"], "file-root:system", "the system's authorities");
        let mut validation = combined["defaultValidationContext"].take();
        validation["trustedCa"] = json!({"filename": authorities});
        context.insert("validationContext".to_owned(), validation);
        self.add("replaced: the system's authorities, which the agent reads, by the file of this run's authority");
    }

    /// Points a filter to a file with its configuration.
    pub(super) fn move_configuration_to_file(&mut self, filter: &mut Value, file: &Path) {
        let source = json!({"pathConfigSource": {"path": file}, "resourceApiVersion": "V3"});
        let discovery = filter["configDiscovery"].as_object_mut().expect("by discovery");
        discovery.insert("configSource".to_owned(), source);
        self.add("replaced: a filter's configuration over the stream, by a file with the same");
    }

    /// Replaces the module's image in a filter's configuration by a file.
    pub(super) fn replace_image(&mut self, filter: &mut Value, module: &Path) {
        let machine = filter["config"]["vmConfig"].as_object_mut().expect("a VM");
        let image = machine["code"]["remote"]["httpUri"]["uri"].take();
        assert!(image.as_str().is_some_and(|uri| uri.starts_with("oci://")), "{image}");
        machine.insert("code".to_owned(), json!({"local": {"filename": module}}));
        // For the agent, which removes them.
        if let Some(variables) = machine.get_mut("environmentVariables") {
            variables.as_object_mut().map(|variables| variables.remove("keyValues"));
        }
        self.add("replaced: the module's image, which the agent fetches, by the module's file");
    }

    fn add(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }

    /// One line for each kind of change.
    pub(super) fn lines(self) -> Vec<String> {
        self.0
            .into_iter()
            .map(|(what, times)| format!("{what} ({times} times)"))
            .collect()
    }
}

/// An object without its type, which belongs to a dump.
pub(super) fn without_type(value: &Value) -> Value {
    let fields: Map<String, Value> = value
        .as_object()
        .expect("an object")
        .iter()
        .filter(|(name, _)| *name != "@type")
        .map(|(name, field)| (name.clone(), field.clone()))
        .collect();
    Value::Object(fields)
}
