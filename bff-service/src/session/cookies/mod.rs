//! The cookies of one application: reading them from requests, and writing them to responses.
//!
//! * [`settings`]: names and paths.
//! * [`request`]: the cookies of a request.
//! * [`response`]: the `Set-Cookie` lines of a response.
//! * [`other_shapes`]: cookies that an earlier configuration, or a sibling domain, may have set.
//! * [`keys`]: the cookie keys.

pub mod keys;
pub mod other_shapes;
pub mod request;
pub mod response;
pub mod settings;
