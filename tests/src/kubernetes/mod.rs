//! The manifests of `envoy/` for Kubernetes: their content, their schemas, and the Envoy configuration that
//! results from them.

pub mod cluster;
pub mod entry_points;
pub mod envoy;
pub mod gateway;
pub mod istio;
pub mod kustomize;
pub mod manifests;
pub mod mutations;
pub mod pod;
pub mod schemas;
