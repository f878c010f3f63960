//! The command line of `bff-service`, and its commands besides serving.
//!
//! * [`args`]: which command, and with what.
//! * [`check`]: is the configuration good, and does the authorization server have what it needs?
//! * [`keys`]: makes cookie keys, and names those that there are.
//! * [`ready`]: asks the running service whether it is ready.

pub mod args;
pub mod check;
pub mod keys;
pub mod ready;
