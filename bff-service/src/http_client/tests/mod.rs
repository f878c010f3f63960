//! The client over real connections, against servers that misbehave.

mod authority;
mod exchanges;
mod rejected_certificates;
mod through_a_proxy;
mod unruly_server;

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::{Client, HttpError, Limits, Proxy, ServerResponse, Sharing};

/// Generous, because these tests are not about time limits.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(30),
    request_timeout: Duration::from_secs(60),
    max_connections: 50,
    idle: Duration::from_secs(60),
};

fn client(tls: &Arc<ClientConfig>, proxy: &Proxy) -> Client {
    Client::new(&LIMITS, tls, proxy)
}

async fn get(client: &Client, url: &str, sharing: Sharing) -> Result<ServerResponse, HttpError> {
    let request = http::Request::get(url).body(Vec::new()).unwrap();
    client.exchange(&request, sharing, 1000).await
}
