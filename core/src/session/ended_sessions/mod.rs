//! Sessions that were ended before their cookies expire, for example because the user signed out.
//!
//! A session lives only in cookies, so nothing can be deleted to end it. Instead its identifier is on a list for a
//! configured time. The service has the list, and the filter polls it from the service.

mod all;
mod ended;
mod json;
mod list;

pub use ended::{AllEnded, Ended};
pub use list::EndedSessions;
