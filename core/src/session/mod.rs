//! Whose session a request is of, and which sessions are over.

pub mod csrf;
pub mod current_session;
pub mod ended_sessions;
