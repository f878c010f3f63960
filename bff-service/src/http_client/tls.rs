//! TLS towards the authorization server: the system's certificate authorities, and those of the configuration.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::client_certificate::ClientCertificate;
use crate::config::{AuthorizationServer, Client, Fault};

/// The TLS settings of every connection to the authorization server.
///
/// The cryptography is named here and not taken from a process-wide default, so that nothing needs to be installed
/// first. HTTP/1.1 only: one request at a time on a connection is all that this service needs.
pub fn client_config(settings: &AuthorizationServer, client: &Client) -> Result<Arc<ClientConfig>, Fault> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        log::warn!("the system's certificate authorities: {error}");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = &settings.ca_file {
        let fault = |what: String| Fault::new("authorization_server.ca_file", format!("{}: {what}", path.display()));
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| fault(format!("cannot be read as certificates in PEM: {error}")))?;
        if certificates.is_empty() {
            return Err(fault(
                "holds no certificate; it must hold at least one in PEM".to_owned(),
            ));
        }
        for certificate in certificates {
            roots
                .add(certificate)
                .map_err(|error| fault(format!("holds what is not a usable certificate: {error}")))?;
        }
    }
    if roots.is_empty() && settings.issuer.starts_with("https:") {
        let what = "this system has no certificate authorities; name a PEM file of those to trust";
        return Err(Fault::new("authorization_server.ca_file", what));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new("", format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots);
    let mut config = match (&client.certificate_file, &client.certificate_key_file) {
        (Some(certificate), Some(key)) => {
            let certificate = ClientCertificate::load(certificate, key, provider)
                .map_err(|what| Fault::new("client.certificate_file", what))?;
            let mut config = config.with_client_cert_resolver(Arc::new(certificate));
            // A session that is resumed is one of the certificate that it began with, which may have been renewed since.
            config.resumption = Resumption::disabled();
            config
        }
        _ => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_ca_file(content: &str) -> Result<Arc<ClientConfig>, Fault> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, content).unwrap();
        let server = AuthorizationServer {
            ca_file: Some(path),
            ..AuthorizationServer::default()
        };
        client_config(&server, &Client::default())
    }

    #[test]
    fn a_ca_file_is_trusted() {
        let authority = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).unwrap();
        assert!(with_ca_file(&authority.cert.pem()).is_ok());
    }

    #[test]
    fn a_ca_file_that_holds_no_certificate_is_refused_by_its_field() {
        for content in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let fault = with_ca_file(content).unwrap_err();
            assert_eq!(fault.field(), "authorization_server.ca_file", "{content:?}");
        }
    }

    #[test]
    fn a_ca_file_that_is_missing_is_refused_by_its_field() {
        let settings = AuthorizationServer {
            ca_file: Some("/nowhere/ca.pem".into()),
            ..Default::default()
        };
        let fault = client_config(&settings, &Client::default()).unwrap_err();
        assert!(fault.to_string().contains("/nowhere/ca.pem"), "{fault}");
    }
}
