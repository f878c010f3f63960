//! Support for the tests: an application under test, browsers, and an authorization server that misbehaves.

pub mod app;
pub mod authorization_server;
pub mod browser;
pub mod device;
pub mod forgery;
pub mod http;
pub mod log_capture;
