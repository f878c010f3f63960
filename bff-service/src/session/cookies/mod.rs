//! The cookies of one application: read from requests, written into responses.
//!
//! * [`settings`]: their names and paths.
//! * [`request`]: what a request brought, opened.
//! * [`response`]: the `Set-Cookie` lines of a response.
//! * [`other_shapes`]: what an earlier configuration, or a sibling domain, may have left beside them.
//! * [`keys`]: the keys that they are sealed with.

pub mod keys;
pub mod other_shapes;
pub mod request;
pub mod response;
pub mod settings;
