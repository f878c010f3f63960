//! In front of a server that responds only under its own name: forwards GET requests with that name.

use std::net::SocketAddr;

use crate::http1::{Request, send_plain_as};
use crate::proxy;

/// Starts it, and returns its address. `authority` is what the server expects in `Host`. If the server does not respond, the
/// connection is closed.
pub fn start(server: SocketAddr, authority: String) -> SocketAddr {
    proxy::serve_many(move |incoming| {
        let response = send_plain_as(server, &authority, &Request::new("GET", &incoming.path())).ok()?;
        (response.status == 200).then(|| proxy::ok("application/json", &response.body))
    })
}
