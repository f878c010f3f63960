//! Tests of the whole client against servers in the test process: [`fake_server::FakeServer`] sends any response, valid
//! or not.

mod check;
mod client_keys;
mod fake_server;
mod log_lines;
mod signer;

mod check_introspection;
mod client_proofs;
mod discovery;
mod dpop;
mod grants;
mod http;
mod id_token;
mod key_rotation;
mod keys;
mod other_endpoints;
mod revocation;
mod shared_redirect_uri;
mod signatures;
mod tls;
