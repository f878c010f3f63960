//! TLS: which servers are believed to be the authorization server.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::fake_server::config;
use crate::metrics::ServerEndpoint;
use crate::oauth::http::{Answer, HttpClient, HttpError};
use crate::oauth::tls::client_config;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate of this authority for `login.example.localhost`. Returns its port.
fn start(authority: &Authority) -> u16 {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["login.example.localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = parameters.signed_by(&key, authority).unwrap().der().clone();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let tls = Arc::new(
        tls.with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
            let mut reader = BufReader::new(StreamOwned::new(connection, stream.unwrap()));
            let mut line = String::new();
            // A client that does not like the certificate ends the handshake, and with it this loop.
            while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                line.clear();
            }
            let _ = reader
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        }
    });
    port
}

async fn get(url: &str, trusted: &Authority) -> Result<Answer, HttpError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, trusted.pem()).unwrap();
    let issuer = "authorization_server.issuer = \"https://login.example.localhost\"";
    let config = config(&[issuer, &format!("authorization_server.ca_file = {file:?}")]);
    let tls = client_config(&config.authorization_server, &config.client).unwrap();
    HttpClient::new(
        &config.authorization_server,
        &tls,
        config.proxy(),
        &std::sync::Arc::default(),
    )
    .get(ServerEndpoint::Jwks, url, &[], 1000)
    .await
}

#[actix_web::test]
async fn a_server_with_a_certificate_of_the_ca_file_is_believed() {
    let authority = authority();
    let port = start(&authority);
    let answer = get(&format!("https://login.example.localhost:{port}/"), &authority)
        .await
        .unwrap();
    assert_eq!(answer.body.as_ref(), b"hello");
}

#[actix_web::test]
async fn a_server_with_a_certificate_of_another_authority_is_not() {
    let port = start(&authority());
    let answer = get(&format!("https://login.example.localhost:{port}/"), &authority()).await;
    assert!(matches!(answer, Err(HttpError::Connect(_))), "{:?}", answer.err());
}

#[actix_web::test]
async fn a_server_with_a_certificate_for_another_name_is_not() {
    let authority = authority();
    let port = start(&authority);
    let answer = get(&format!("https://www.example.localhost:{port}/"), &authority).await;
    assert!(matches!(answer, Err(HttpError::Connect(_))), "{:?}", answer.err());
}
