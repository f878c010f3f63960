//! The cookies: what they are for, what they are called, what is in them, and where they are in a request.

pub mod jar;
pub mod names;
pub mod seal;
