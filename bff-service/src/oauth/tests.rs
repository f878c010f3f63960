//! Tests of the client as a whole, against servers that run in the test: [`fake_server::FakeServer`] answers with
//! whatever it is told to, however wrong.

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
