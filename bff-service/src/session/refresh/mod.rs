//! Combines concurrent refreshes, and concurrent exchanges of one code.
//!
//! * [`store`]: the interface; [`replay_window`]: how long late callers get a result.
//! * [`in_process`]: the store of one process (`flights`: its exchanges).
//! * [`redis`]: the store of several replicas, with a lock (`redis_lock`) of [scripts](redis_scripts) and sealed
//!   results (`sealed_outcome`) in Redis.

mod flights;
pub mod in_process;
pub mod redis;
mod redis_lock;
pub mod redis_scripts;
pub mod replay_window;
mod sealed_outcome;
pub mod store;
