//! The tools that the build does not include: found if they are installed, else fetched where that is possible.

pub(crate) mod apt;
pub(crate) mod cargo_deny;
pub(crate) mod chromium;
pub(crate) mod docker;
pub(crate) mod envoy;
pub(crate) mod go;
pub(crate) mod helm;
pub(crate) mod kubernetes;
pub(crate) mod native;
pub(crate) mod nginx;
pub(crate) mod node;
pub(crate) mod oauth2_proxy;
pub(crate) mod previous_release;
pub(crate) mod promtool;
pub(crate) mod redis;
mod reproducible;
mod rust_target;
pub(crate) mod schemathesis;
pub(crate) mod valgrind;
pub(crate) mod venv;
pub(crate) mod wasm;
pub(crate) mod wheel;
mod zig;
