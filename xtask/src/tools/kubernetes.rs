//! The schemas of Kubernetes and its extensions, for the manifests.

use std::path::PathBuf;

use super::node::Node;
use super::wheel::Wheel;
use crate::result::Result;
use crate::{command, workspace};

/// Kubernetes' own, from the package `kubernetes-validate`.
const WHEEL: Wheel = Wheel {
    package: "kubernetes-validate",
    version: "1.37.0",
    sha256: "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9",
    program: "kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict/_definitions.json",
};

/// The variables that pass them to the tests.
pub(crate) fn schemas(node: &Node) -> Result<Vec<(&'static str, PathBuf)>> {
    node.install(&workspace::path("tests/kubernetes-models"))?;
    let mut variables = vec![("KUBERNETES_SCHEMAS", WHEEL.fetch()?)];
    match custom_resource_definitions()? {
        Some(folder) => variables.push(("CUSTOM_RESOURCE_DEFINITIONS", folder)),
        None => command::warn(
            "missing custom resource definitions: the kinds of Envoy Gateway in the manifests are not checked, and those \
             of Istio only against the schemas at npm: set CUSTOM_RESOURCE_DEFINITIONS to a folder with those of both \
             (istio/api: kubernetes/customresourcedefinitions.gen.yaml; envoyproxy/gateway: \
             charts/gateway-crds-helm/templates/generated)",
        ),
    }
    Ok(variables)
}

/// A folder of YAML files as the projects publish them: `$CUSTOM_RESOURCE_DEFINITIONS`, else one beside the checkout.
fn custom_resource_definitions() -> Result<Option<PathBuf>> {
    let beside = workspace::path("../shared/crds");
    match std::env::var_os("CUSTOM_RESOURCE_DEFINITIONS").filter(|folder| !folder.is_empty()) {
        None => Ok(beside.is_dir().then_some(beside)),
        Some(named) if PathBuf::from(&named).is_dir() => Ok(Some(named.into())),
        Some(named) => Err(format!(
            "invalid CUSTOM_RESOURCE_DEFINITIONS: {} is not a folder: write the path of a folder",
            named.to_string_lossy()
        )),
    }
}
