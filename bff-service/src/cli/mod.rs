//! The commands of `bff-service` besides serving.
//!
//! * [`check`]: is the configuration good, and does the authorization server have what it needs?
//! * [`keys`]: makes cookie keys, and names those that there are.
//! * [`ready`]: asks the running service whether it is ready.

pub mod check;
pub mod keys;
pub mod ready;
