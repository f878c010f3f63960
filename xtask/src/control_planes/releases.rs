//! Releases of the chart: installed, upgraded and rolled back by Helm, at the API server.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use super::api_server::ApiServer;
use super::programs::{Programs, yaml_files};
use crate::result::Result;
use crate::tools::previous_release;
use crate::{command, workspace};

/// The kinds of objects in the chart.
const KINDS: &str = "configmaps,deployments,horizontalpodautoscalers,httproutes,ingresses,networkpolicies,podmonitors,\
                     poddisruptionbudgets,prometheusrules,serviceaccounts,servicemonitors,services";
/// What the API server writes into every object.
const OF_THE_SERVER: [&str; 5] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
];
const RELEASE: &str = "bff-service";

/// A chart with values.
struct Version {
    chart: PathBuf,
    values: PathBuf,
}

/// Upgrades a release with the fewest values to each file of values, and rolls it back. Then upgrades a release of the last
/// version's chart, and rolls it back. After each step the objects must be those of a release that was never upgraded.
pub(super) fn upgrade_and_roll_back(server: &ApiServer, programs: &Programs, folder: &Path) -> Result<()> {
    let chart = workspace::path("envoy/helm");
    let old_chart = previous_release::chart(&folder.join("previous-chart"))?;
    let version = |chart: &Path, values: PathBuf| Version {
        chart: chart.to_owned(),
        values,
    };
    let least = workspace::path("envoy/helm/ci/least-values.yaml");
    let mut pairs = Vec::new();
    for values in yaml_files(&workspace::path("envoy/helm/ci"))? {
        pairs.push((version(&chart, least.clone()), version(&chart, values)));
    }
    let old_values = old_chart.join("ci/least-values.yaml");
    pairs.push((version(&old_chart, old_values), version(&chart, least.clone())));
    for (index, (from, to)) in pairs.iter().enumerate() {
        let release = |name: &str| Release {
            server,
            helm: &programs.helm,
            namespace: format!("release-{index}-{name}"),
        };
        let (fresh, upgraded) = (release("fresh"), release("upgraded"));
        fresh.create()?;
        upgraded.create()?;
        fresh.helm(&["install", RELEASE], Some(to))?;
        upgraded.helm(&["install", RELEASE], Some(from))?;
        let before = upgraded.objects()?;
        upgraded.helm(&["upgrade", RELEASE], Some(to))?;
        let title = format!(
            "from {} to {}",
            workspace::shown(&from.values),
            workspace::shown(&to.values)
        );
        compare(&format!("the upgrade {title}"), &upgraded.objects()?, &fresh.objects()?)?;
        upgraded.helm(&["rollback", RELEASE, "1"], None)?;
        compare(
            &format!("the rollback of the upgrade {title}"),
            &upgraded.objects()?,
            &before,
        )?;
        command::progress(&format!("upgraded {title}, and rolled back: {} objects", before.len()));
    }
    Ok(())
}

/// A release in a namespace of its own.
struct Release<'a> {
    server: &'a ApiServer,
    helm: &'a Path,
    namespace: String,
}

impl Release<'_> {
    fn create(&self) -> Result<()> {
        self.server.create_namespace(&self.namespace)?;
        self.server.restrict(&self.namespace)
    }

    fn helm(&self, arguments: &[&str], version: Option<&Version>) -> Result<()> {
        let mut helm = Command::new(self.helm);
        helm.args(arguments).args(["--namespace", &self.namespace]);
        helm.arg("--kubeconfig").arg(self.server.configuration());
        if let Some(version) = version {
            helm.arg(&version.chart).arg("--values").arg(&version.values);
        }
        let step = format!("running helm {} in {}", arguments.join(" "), self.namespace);
        command::run_for_output(&step, &mut helm, "see the message of Helm above").map(|_| ())
    }

    /// The release's objects, by kind and name, without what the API server, Helm and the namespace write into them.
    fn objects(&self) -> Result<Map<String, Value>> {
        let arguments = ["get", KINDS, "--namespace", &self.namespace, "--output", "json"];
        let text = self.server.succeed(&arguments)?.replace(&self.namespace, "namespace");
        let list: Value = serde_json::from_str(&text).map_err(|error| {
            format!("parsing the output of `kubectl get` failed: {error}: check the version of kubectl")
        })?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        Ok(items.into_iter().map(own_part).collect())
    }
}

fn own_part(mut object: Value) -> (String, Value) {
    let title = format!(
        "{} {}",
        object["kind"].as_str().unwrap_or_default(),
        object["metadata"]["name"].as_str().unwrap_or_default()
    );
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|name, _| !OF_THE_SERVER.contains(&name.as_str()));
    }
    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
        annotations.retain(|name, _| !name.starts_with("meta.helm.sh/"));
        if annotations.is_empty() {
            object["metadata"]
                .as_object_mut()
                .map(|metadata| metadata.remove("annotations"));
        }
    }
    // Each Service has an address of its own.
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.retain(|name, _| !matches!(name.as_str(), "clusterIP" | "clusterIPs"));
    }
    (title, object)
}

fn compare(what: &str, found: &Map<String, Value>, expected: &Map<String, Value>) -> Result<()> {
    let mut faults = Vec::new();
    differences(
        "",
        &Value::Object(found.clone()),
        &Value::Object(expected.clone()),
        &mut faults,
    );
    match faults.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{what} leaves objects other than those of an installation: correct the templates in envoy/helm:\n    {}",
            faults.join("\n    ")
        )),
    }
}

/// The paths at which two values differ, with both.
fn differences(path: &str, found: &Value, expected: &Value, into: &mut Vec<String>) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
            for name in names {
                let (found, expected) = (found.get(name), expected.get(name));
                let (found, expected) = (found.unwrap_or(&Value::Null), expected.unwrap_or(&Value::Null));
                differences(&format!("{path}/{name}"), found, expected, into);
            }
        }
        (found, expected) if found == expected => {}
        (found, expected) => into.push(format!("{path}: {found} instead of {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_that_was_left_behind_is_found() {
        let object = |labels: Value| {
            let metadata =
                json!({"name": "a", "uid": "1", "labels": labels, "annotations": {"meta.helm.sh/release-name": "b"}});
            own_part(json!({"kind": "Service", "metadata": metadata, "spec": {"clusterIP": "10.0.0.1"}, "status": {}}))
        };
        let (one, other) = (object(json!({"a": "1", "b": "2"})), object(json!({"a": "1"})));
        let list = |(title, object)| Map::from_iter([(title, object)]);
        let fault = compare("the upgrade", &list(one.clone()), &list(other)).expect_err("a label was left behind");
        assert!(
            fault.ends_with("/Service a/metadata/labels/b: \"2\" instead of null"),
            "{fault}"
        );
        assert_eq!(compare("the upgrade", &list(one.clone()), &list(one)), Ok(()));
    }
}
