//! The session of a request, the CSRF value, and ended sessions.

pub mod csrf;
pub mod current_session;
pub mod ended_sessions;
