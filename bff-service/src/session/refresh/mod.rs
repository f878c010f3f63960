//! How concurrent refreshes become one.
//!
//! * [`store`]: what it takes; [`replay_window`]: how long an outcome is there for late callers.
//! * [`in_process`]: in one process.
//! * [`redis`]: across several, by a lock (`redis_lock`) of [scripts](redis_scripts) that run in Redis.

pub mod in_process;
pub mod redis;
mod redis_lock;
pub mod redis_scripts;
pub mod replay_window;
mod sealed_outcome;
pub mod store;
