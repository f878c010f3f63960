//! The command line of `bff-service`, and its commands other than `serve`.
//!
//! * [`args`]: parses the arguments.
//! * [`check`]: validates the configuration, and checks Redis, the authorization server and the client's credentials.
//! * [`environment`]: the environment, and the variables in it that have no effect.
//! * [`keys`]: generates cookie keys, and prints the fingerprints of existing ones.
//! * [`ready`]: asks the running service whether it is ready.

pub mod args;
pub mod check;
pub mod environment;
pub mod keys;
pub mod ready;
