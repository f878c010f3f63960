//! Sessions that were ended before their cookies expire: the user signed out, or the authorization server says so.
//!
//! A session lives in cookies alone, so nothing can be deleted to end it. Instead its name is remembered for as long as
//! its cookies could live. The service keeps the list; the filter reads it from the service from time to time.

mod ended;
mod json;
mod list;

pub use ended::Ended;
pub use list::EndedSessions;
