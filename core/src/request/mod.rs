//! Headers of requests and responses, and the checks that need no session.

pub mod access_token;
pub mod cache_control;
pub mod fetch_metadata;
pub mod head;
pub mod origin;
pub mod trace_context;
pub mod trusted_origins;
pub mod values;
