//! The schemas of Kubernetes, Gateway API, Istio and Envoy Gateway, applied as strictly as `kubectl apply` with
//! strict field validation: a field that is not in the schema is an error. CEL rules are not evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::repository;

/// The result of a validation.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The resource is valid.
    Valid,
    /// The resource is invalid, with the reason.
    Invalid(String),
    /// No schema of this kind was found.
    Unchecked,
}

/// All schemas that were found.
pub struct Schemas {
    /// The schemas of the kinds that are part of Kubernetes, by name, and of the metadata of all kinds.
    definitions: Map<String, Value>,
    /// The schemas of the kinds that custom resource definitions define, by `apiVersion` and kind.
    custom: BTreeMap<(String, String), Value>,
    /// Compiled when they are first needed.
    compiled: BTreeMap<(String, String), Option<Validator>>,
}

impl Schemas {
    /// The schemas that `cargo xtask test` has found.
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let core =
            variable("KUBERNETES_SCHEMAS").expect("missing KUBERNETES_SCHEMAS: run the tests with `cargo xtask test`");
        let text = std::fs::read_to_string(core).expect("Kubernetes' schemas");
        let mut file: Value = serde_json::from_str(&text).expect("JSON");
        let Value::Object(definitions) = file["$defs"].take() else {
            panic!("invalid KUBERNETES_SCHEMAS: the file has no `$defs`: run the tests with `cargo xtask test`");
        };
        let custom = variable("CUSTOM_RESOURCE_DEFINITIONS").map(|folder| read_custom(&folder));
        Self {
            definitions,
            custom: custom.unwrap_or_default(),
            compiled: BTreeMap::new(),
        }
    }

    /// Whether the definitions of Istio and Envoy Gateway are present. Without them, Istio's kinds are checked against
    /// the schemas at npm, and Envoy Gateway's not at all.
    pub fn has_custom(&self) -> bool {
        !self.custom.is_empty()
    }

    /// The number of CEL rules in the schemas of a kind, none of which is evaluated.
    pub fn rules(&self, resource: &Value) -> usize {
        fn count(value: &Value) -> usize {
            match value {
                Value::Object(fields) => fields
                    .iter()
                    .map(|(name, child)| match (name.as_str(), child) {
                        ("x-kubernetes-validations", Value::Array(rules)) => rules.len(),
                        _ => count(child),
                    })
                    .sum(),
                Value::Array(items) => items.iter().map(count).sum(),
                _ => 0,
            }
        }
        self.custom.get(&kind_of(resource)).map_or(0, count)
    }

    /// Validates each resource.
    pub fn check(&mut self, resources: &[Value]) -> Vec<Verdict> {
        let mut verdicts: Vec<Verdict> = resources.iter().map(|resource| self.check_here(resource)).collect();
        // The rest is validated by Node.js, in one call.
        let left: Vec<usize> = (0..resources.len())
            .filter(|index| verdicts[*index] == Verdict::Unchecked)
            .collect();
        let unchecked: Vec<&Value> = left.iter().map(|index| &resources[*index]).collect();
        if !unchecked.is_empty() {
            for (index, errors) in left.into_iter().zip(check_in_node(&unchecked)) {
                verdicts[index] = match errors {
                    None => Verdict::Unchecked,
                    Some(errors) if errors.is_empty() => Verdict::Valid,
                    Some(errors) => Verdict::Invalid(errors.join("; ")),
                };
            }
        }
        verdicts
    }

    fn check_here(&mut self, resource: &Value) -> Verdict {
        let kind = kind_of(resource);
        if !self.compiled.contains_key(&kind) {
            let schema = self.custom.get(&kind).cloned().or_else(|| self.core(&kind));
            let compiled = schema.map(|schema| self.compile(schema));
            self.compiled.insert(kind.clone(), compiled);
        }
        let Some(validator) = &self.compiled[&kind] else {
            return Verdict::Unchecked;
        };
        let errors: Vec<String> = validator
            .iter_errors(resource)
            .map(|error| format!("{} {error}", error.instance_path()))
            .collect();
        match errors.is_empty() {
            true => Verdict::Valid,
            false => Verdict::Invalid(errors.join("; ")),
        }
    }

    /// The schema of a kind that is part of Kubernetes.
    fn core(&self, (api_version, kind): &(String, String)) -> Option<Value> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let wanted = json!({"group": group, "kind": kind, "version": version});
        let (name, _) = self.definitions.iter().find(|(_, definition)| {
            let kinds = definition["x-kubernetes-group-version-kind"].as_array();
            kinds.is_some_and(|kinds| kinds.contains(&wanted))
        })?;
        Some(json!({"$ref": format!("#/$defs/{name}")}))
    }

    /// Compiles a schema with only the definitions that it refers to.
    fn compile(&self, mut schema: Value) -> Validator {
        let mut needed = BTreeSet::new();
        let mut left = references(&schema);
        while let Some(name) = left.pop() {
            if needed.insert(name.clone()) {
                left.extend(references(&self.definitions[&name]));
            }
        }
        let definitions: Map<String, Value> = needed
            .into_iter()
            .map(|name| (name.clone(), self.definitions[&name].clone()))
            .collect();
        schema["$defs"] = definitions.into();
        jsonschema::draft202012::new(&schema).expect("a schema")
    }
}

fn kind_of(resource: &Value) -> (String, String) {
    let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
    (text("apiVersion"), text("kind"))
}

fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, child)| match (name.as_str(), child) {
                ("$ref", Value::String(reference)) => {
                    let name = reference
                        .strip_prefix("#/$defs/")
                        .expect("a `$ref` leads out of its file");
                    vec![name.to_owned()]
                }
                _ => references(child),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn read_custom(folder: &Path) -> BTreeMap<(String, String), Value> {
    let mut found = BTreeMap::new();
    let entries = std::fs::read_dir(folder);
    for entry in entries.unwrap_or_else(|error| panic!("reading {} failed: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        for definition in super::manifests::parse(&path.to_string_lossy(), &text) {
            let (group, kind) = (definition.text("/spec/group"), definition.text("/spec/names/kind"));
            for version in definition.content["spec"]["versions"].as_array().into_iter().flatten() {
                let api_version = format!("{group}/{}", version["name"].as_str().unwrap_or_default());
                let mut schema = version["schema"]["openAPIV3Schema"].clone();
                make_strict(&mut schema);
                schema["properties"]["apiVersion"] = json!({"const": api_version});
                schema["properties"]["kind"] = json!({"const": kind});
                let metadata = "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
                schema["properties"]["metadata"] = json!({"$ref": metadata});
                found.insert((api_version, kind.to_owned()), schema);
            }
        }
    }
    found
}

/// Makes a structural schema, with which the API server drops unknown fields, reject them.
fn make_strict(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    let is_true = |value: Option<&Value>| value == Some(&Value::Bool(true));
    if fields.get("type") == Some(&json!("object"))
        && !fields.contains_key("additionalProperties")
        && !is_true(fields.get("x-kubernetes-preserve-unknown-fields"))
    {
        fields.insert("additionalProperties".to_owned(), json!(false));
    }
    if is_true(fields.get("nullable")) {
        let kind = fields.remove("type");
        fields.extend(kind.map(|kind| ("type".to_owned(), json!([kind, "null"]))));
    }
    // Only these define the structure. `anyOf` and the like only restrict the same fields.
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(make_strict);
    }
    for part in ["items", "additionalProperties"] {
        fields.get_mut(part).into_iter().for_each(make_strict);
    }
}

/// Validates by `tests/kubernetes-models`: the errors of each resource, or `None` without a schema.
fn check_in_node(resources: &[&Value]) -> Vec<Option<Vec<String>>> {
    let node = std::env::var_os("BFF_TEST_NODE").expect("missing BFF_TEST_NODE: run the tests with `cargo xtask test`");
    let script = repository::path("tests/kubernetes-models/check.mjs");
    let mut child = Command::new(node)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js starts");
    let input = serde_json::to_vec(resources).expect("JSON");
    child.stdin.take().expect("piped").write_all(&input).expect("written");
    let output = child.wait_with_output().expect("Node.js ends");
    assert!(
        output.status.success(),
        "tests/kubernetes-models/check.mjs failed: see its output above"
    );
    let errors: Vec<Option<Vec<String>>> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(errors.len(), resources.len());
    errors
}
