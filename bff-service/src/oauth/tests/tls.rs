//! TLS: the servers that are accepted as the authorization server.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::fake_server::config;
use crate::http_client::tls::ClientTls;
use crate::http_client::{Limits, Proxy};
use crate::oauth::AuthorizationServer;
use crate::oauth::http::{HttpClient, HttpError, ServerResponse};
use crate::telemetry::server_endpoint::ServerEndpoint;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate of this authority for `login.example.localhost`. Returns its port.
fn start(authority: &Authority) -> u16 {
    serve(authority, WebPkiClientVerifier::no_client_auth()).0
}

/// Accepts clients that the verifier accepts. Returns its port, and the certificates of the clients.
fn serve(
    authority: &Authority,
    verifier: Arc<dyn ClientCertVerifier>,
) -> (u16, Arc<Mutex<Vec<CertificateDer<'static>>>>) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["login.example.localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = parameters.signed_by(&key, authority).unwrap().der().clone();
    let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let tls = Arc::new(tls);
    let shown = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&shown);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
            let mut reader = BufReader::new(StreamOwned::new(connection, stream.unwrap()));
            let mut line = String::new();
            // A client that refuses the certificate ends the handshake, and with it this loop.
            while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                line.clear();
            }
            let stream = reader.get_mut();
            let certificates = stream.conn.peer_certificates().unwrap_or_default();
            seen.lock()
                .unwrap()
                .extend(certificates.iter().cloned().map(CertificateDer::into_owned));
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        }
    });
    (port, shown)
}

async fn get(url: &str, trusted: &Authority) -> Result<ServerResponse, HttpError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, trusted.pem()).unwrap();
    let issuer = "authorization_server.issuer = \"https://login.example.localhost\"";
    let config = config(&[issuer, &format!("authorization_server.ca_file = {file:?}")]);
    let http = AuthorizationServer::new(&config.into(), &Arc::default())
        .unwrap()
        .http_client();
    http.get(ServerEndpoint::Jwks, url, &[], 1000).await
}

#[actix_web::test]
async fn a_server_with_a_certificate_of_the_ca_file_is_believed() {
    let authority = authority();
    let port = start(&authority);
    let response = get(&format!("https://login.example.localhost:{port}/"), &authority)
        .await
        .unwrap();
    assert_eq!(response.body.as_ref(), b"hello");
}

#[actix_web::test]
async fn a_server_with_a_certificate_of_another_authority_is_not() {
    let port = start(&authority());
    let response = get(&format!("https://login.example.localhost:{port}/"), &authority()).await;
    assert!(matches!(response, Err(HttpError::Connect(_))), "{:?}", response.err());
}

#[actix_web::test]
async fn a_server_with_a_certificate_for_another_name_is_not() {
    let authority = authority();
    let port = start(&authority);
    let response = get(&format!("https://www.example.localhost:{port}/"), &authority).await;
    let error = response.err().unwrap();
    assert!(matches!(error, HttpError::Connect(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("it is not for the name www.example.localhost, but for login.example.localhost: "),
        "{error}"
    );
}

/// Requests client certificates, and accepts those of the authority.
fn start_for_certificates(authority: &Authority) -> (u16, Arc<Mutex<Vec<CertificateDer<'static>>>>) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    serve(authority, verifier.build().unwrap())
}

#[actix_web::test]
async fn a_renewed_client_certificate_is_shown_on_the_next_connection_and_no_session_of_the_old_one_is_resumed() {
    let authority = authority();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("ca.pem"), authority.pem()).unwrap();
    let renew = |later: u64| {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(["client".to_owned()]).unwrap();
        std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(path("cert.pem"), parameters.signed_by(&key, &authority).unwrap().pem()).unwrap();
        let file = std::fs::File::options().write(true).open(path("cert.pem")).unwrap();
        let at = std::time::SystemTime::now() + std::time::Duration::from_secs(later);
        file.set_modified(at).unwrap();
    };
    renew(0);
    let tls = ClientTls {
        ca_file: Some(path("ca.pem")),
        needs_authorities: true,
        certificate: Some((path("cert.pem"), path("key.pem"))),
    };
    let limits = Limits {
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(5),
        max_connections: 50,
        idle: Duration::from_secs(4),
    };
    let http = HttpClient::new(&limits, &tls.load().unwrap(), &Proxy::default(), &Arc::default());
    let (port, shown) = start_for_certificates(&authority);
    for later in [60, 120] {
        let request = oauth2::http::Request::post(format!("https://login.example.localhost:{port}/"));
        let response = http
            .send(ServerEndpoint::Token, request.body(Vec::new()).unwrap())
            .await;
        assert_eq!(response.unwrap().body.as_ref(), b"hello");
        renew(later);
    }
    let shown = shown.lock().unwrap();
    assert_eq!(shown.len(), 2);
    assert_ne!(shown[0], shown[1]);
}
