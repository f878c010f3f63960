//! A partner of the demo: a client with a certificate, to which its access tokens are bound (RFC 8705).

use demo_system::{Component, Options, Ports, System};

use crate::client_credentials::set;
use crate::http1::{Client, Request};

/// Makes the authorization server accept clients with certificates of the demo's authority. Returns the port for them.
pub fn set_up(options: &mut Options) -> u16 {
    let port = Ports::free().public;
    let server = Component::AuthorizationServer;
    let file = |name: &str| options.directory.join(name);
    let files = [
        ("MTLS_CERT_FILE", file("server.pem")),
        ("MTLS_KEY_FILE", file("server.key")),
        ("MTLS_CA_FILE", file("ca.pem")),
    ];
    for (name, path) in files {
        set(options, server, name, path);
    }
    set(options, server, "MTLS_PORT", port.to_string());
    let origin = format!("https://login.{}:{port}", options.domain);
    set(options, server, "MTLS_ORIGIN", origin);
    port
}

/// The partner's connections.
pub fn client(system: &System) -> Client {
    let file = |name: &str| system.directory().join(name);
    Client::with_certificate(system, &file("partner.pem"), &file("partner.key"))
}

/// An opaque access token that the authorization server has bound to the partner's certificate.
pub fn token(system: &System, port: u16) -> String {
    let request = Request::new("POST", "/oauth/v2/oauth-token")
        .form("grant_type=client_credentials&client_id=partner-client&scope=data");
    let response = client(system)
        .at_port(port)
        .send("login", &request)
        .expect("requesting the partner's access token failed");
    let token = response.json()["access_token"].as_str().map(str::to_owned);
    token.unwrap_or_else(|| {
        let (status, body) = (response.status, String::from_utf8_lossy(&response.body));
        panic!("requesting the partner's access token failed: HTTP {status} {body}")
    })
}
