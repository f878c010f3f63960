//! The command line of `bff-service`, and its commands other than `serve`.
//!
//! * [`args`]: parses the arguments.
//! * [`check`]: validates the configuration and the authorization server's metadata.
//! * [`environment`]: the environment, and the variables in it that have no effect.
//! * [`keys`]: generates cookie keys, and prints the fingerprints of existing ones.
//! * [`ready`]: asks the running service whether it is ready.

pub mod args;
pub mod check;
pub mod environment;
pub mod keys;
pub mod ready;
