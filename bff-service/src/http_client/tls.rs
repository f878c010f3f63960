//! The TLS configuration of clients: the system's certificate authorities and those of a file.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::client_certificate::ClientCertificate;
use super::pem_file;

/// The settings of the TLS configuration.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    /// PEM file of certificates that are trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether missing certificate authorities are an error: a client that uses only plain http needs none.
    pub needs_authorities: bool,
    /// PEM files of the client's certificate chain and its private key, for mutual TLS.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Why TLS cannot be configured. `Display` names the file, if there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The certificate authorities of [`ClientTls::ca_file`] are invalid, or there are none.
    #[error("{0}")]
    Authorities(String),
    /// The client certificate is invalid.
    #[error("{0}")]
    ClientCertificate(String),
    /// The cryptography provider failed.
    #[error("TLS setup failed: {0}")]
    Setup(String),
}

impl ClientTls {
    /// Reads the files.
    ///
    /// The cryptography provider is passed explicitly and is not the default of the process, so none needs to be
    /// installed. HTTP/1.1 only: the service needs one request at a time on a connection.
    ///
    /// # Errors
    /// A file cannot be read or is invalid, or there is no trusted certificate authority.
    pub fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let roots = self.roots()?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?
            .with_root_certificates(roots);
        let mut config = match &self.certificate {
            Some((certificate, key)) => {
                let certificate =
                    ClientCertificate::load(certificate, key, provider).map_err(TlsError::ClientCertificate)?;
                let mut config = config.with_client_cert_resolver(Arc::new(certificate));
                // A resumed session would use the certificate of its start, which may have been renewed since.
                config.resumption = Resumption::disabled();
                config
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            log::warn!(
                "loading the system's certificate authorities failed: {error}: let the service read them, or set \
                 `authorization_server.ca_file` (for a collector, OTEL_EXPORTER_OTLP_CERTIFICATE)"
            );
        }
        roots.add_parsable_certificates(system.certs);
        if let Some(path) = &self.ca_file {
            let invalid = |what: String| TlsError::Authorities(format!("{} {what}", path.display()));
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| pem_file::describe(path, &error, "the certificates of the certificate authorities"))
                .map_err(TlsError::Authorities)?;
            if certificates.is_empty() {
                return Err(invalid("contains no certificate: write at least one in PEM".to_owned()));
            }
            for certificate in certificates {
                roots
                    .add(certificate)
                    .map_err(|error| invalid(format!("contains an unusable certificate: {error}: replace it")))?;
            }
        }
        if roots.is_empty() && self.needs_authorities {
            let what =
                "missing, and this system has no certificate authorities: set it to a PEM file with those to trust";
            return Err(TlsError::Authorities(what.to_owned()));
        }
        Ok(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_ca_file(content: &str) -> Result<Arc<ClientConfig>, TlsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, content).unwrap();
        let tls = ClientTls {
            ca_file: Some(path),
            ..ClientTls::default()
        };
        tls.load()
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
            let error = with_ca_file(content).unwrap_err();
            assert!(matches!(error, TlsError::Authorities(_)), "{content:?}: {error}");
        }
    }

    #[test]
    fn a_ca_file_that_is_missing_is_refused_by_its_field() {
        let tls = ClientTls {
            ca_file: Some("/nowhere/ca.pem".into()),
            ..ClientTls::default()
        };
        let error = tls.load().unwrap_err();
        assert!(matches!(error, TlsError::Authorities(_)), "{error}");
        assert!(
            error.to_string().contains("reading /nowhere/ca.pem failed: "),
            "{error}"
        );
    }
}
