//! The cookies: their purposes, names and sealed contents, and the cookies in a request.

pub mod jar;
pub mod name_prefixes;
pub mod parts;
pub mod purpose;
pub mod seal;
pub mod session_id;
