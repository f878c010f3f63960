//! The sessions that have ended although their cookies have not expired.
//!
//! * [`list`]: the list of one process; [`redis_sync`]: sharing it between replicas.
//! * [`used_logout_tokens`]: each logout token can be used once.

pub mod list;
pub mod redis_sync;
pub mod used_logout_tokens;

pub use self::list::List;
