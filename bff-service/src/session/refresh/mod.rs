//! How concurrent refreshes become one.
//!
//! * [`store`]: what it takes.
//! * [`in_process`]: in one process.
//! * [`redis`]: across several, by [scripts](redis_scripts) that run in Redis.

pub mod in_process;
pub mod redis;
pub mod redis_scripts;
mod sealed_outcome;
pub mod store;
