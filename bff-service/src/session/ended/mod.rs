//! The sessions that have ended although their cookies have not expired.
//!
//! * [`list`]: the list of one process; [`redis_sync`]: sharing it between replicas.

pub mod list;
pub mod redis_sync;

pub use self::list::List;
