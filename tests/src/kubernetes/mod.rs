//! The manifests of `envoy/` for Kubernetes: what is in them, whether they fit their schemas, and the Envoy configuration that
//! they lead to.

pub mod envoy;
pub mod gateway;
pub mod istio;
pub mod manifests;
pub mod mutations;
pub mod schemas;
