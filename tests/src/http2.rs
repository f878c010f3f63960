//! HTTP/2: for what HTTP/1.1 cannot say, such as a Cookie header in crumbs.

use std::sync::Arc;
use std::time::Duration;

use demo_system::System;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Sends one request to `api` and returns the status and the body. Each header is a field of its own, in this order.
pub fn send(system: &System, method: &str, path: &str, headers: &[(&str, &[u8])]) -> (u16, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let exchange = async {
        let host = format!("api.{}", system.options().domain);
        let tcp = TcpStream::connect(system.public_addr()).await.expect("a connection");
        let connector = TlsConnector::from(Arc::new(crate::http1::tls_config(system, &[b"h2"], None)));
        let tls = connector
            .connect(ServerName::try_from(host.clone()).expect("a name"), tcp)
            .await
            .expect("TLS");
        let (mut client, connection) = h2::client::handshake(tls).await.expect("HTTP/2");
        tokio::spawn(connection);
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("https://{host}:{}{path}", system.public_addr().port()));
        for (name, value) in headers {
            request = request.header(*name, http::HeaderValue::from_bytes(value).expect("a header value"));
        }
        let (response, _) = client
            .send_request(request.body(()).expect("a request"), true)
            .expect("sent");
        let response = response.await.expect("a response");
        let status = response.status().as_u16();
        let mut stream = response.into_body();
        let mut body = Vec::new();
        while let Some(chunk) = stream.data().await {
            body.extend_from_slice(&chunk.expect("a whole body"));
        }
        (status, body)
    };
    let bounded = async {
        tokio::time::timeout(Duration::from_secs(15), exchange)
            .await
            .expect("an answer in time")
    };
    runtime.block_on(bounded)
}
