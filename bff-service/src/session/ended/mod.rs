//! Which sessions are over although their cookies are not.
//!
//! * [`list`]: the list of one process; [`redis_sync`]: how replicas share theirs.
//! * [`used_logout_tokens`]: logout tokens are good for one use.

pub mod list;
pub mod redis_sync;
pub mod used_logout_tokens;

pub use self::list::List;
