//! The cookies: what they are for, what they are called, what is in them, and where they are in a request.

pub mod jar;
pub mod names;
pub mod parts;
pub mod purpose;
pub mod seal;
pub mod session_id;
