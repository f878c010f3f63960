//! Servers with invalid certificates, and the error messages.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::authority::tls;
use super::{Sharing, client, get};
use crate::http_client::Proxy;

/// A server that performs one handshake.
fn server(tls: Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(tls).unwrap();
        // The handshake fails, because the client refuses the certificate.
        while connection.complete_io(&mut stream).is_ok() {}
    });
    address
}

fn showing(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap());
    Arc::new(config.unwrap())
}

async fn error_of(server_tls: Arc<ServerConfig>, client_tls: &Arc<rustls::ClientConfig>) -> String {
    let port = server(server_tls).port();
    let client = client(client_tls, &Proxy::default());
    let url = format!("https://login.example.localhost:{port}/");
    get(&client, &url, Sharing::Own).await.err().unwrap().to_string()
}

#[actix_web::test]
async fn a_certificate_of_another_authority_names_ca_file_and_one_for_another_name_names_both() {
    let (other, _) = tls("login.example.localhost");
    let (_, trusting) = tls("login.example.localhost");
    let error = error_of(other, &trusting).await;
    assert!(
        error.contains("set `authorization_server.ca_file`") && error.contains("with its present certificate"),
        "{error}"
    );
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(["login.example.localhost".to_owned()]).unwrap();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, "nobody's authority");
    let certificate = parameters.self_signed(&key).unwrap().der().clone();
    let error = error_of(showing(certificate, &key), &trusting).await;
    assert!(
        error.contains("set `authorization_server.ca_file`")
            && error.contains("with the certificate of the authority")
            && !error.contains("UnknownIssuer"),
        "{error}"
    );
    let (for_another, trusting) = tls("www.example.localhost");
    let error = error_of(for_another, &trusting).await;
    assert!(
        error.contains("not for the name login.example.localhost, but for") && error.contains("www.example.localhost"),
        "{error}"
    );
}

#[actix_web::test]
async fn the_certificate_of_an_authority_that_a_server_shows_as_its_own_is_called_that() {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(["login.example.localhost".to_owned()]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&key).unwrap().der().clone();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let trusting = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let error = error_of(showing(certificate, &key), &Arc::new(trusting)).await;
    assert!(error.contains("`CA:TRUE`") && !error.contains("CaUsed"), "{error}");
}

#[actix_web::test]
async fn a_server_that_speaks_http_where_tls_is_spoken_is_told_so() {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    });
    let (_, trusting) = tls("login.example.localhost");
    let client = client(&trusting, &Proxy::default());
    let url = format!("https://login.example.localhost:{port}/");
    let error = get(&client, &url, Sharing::Own).await.err().unwrap().to_string();
    assert!(error.contains("does not speak TLS"), "{error}");
}
