//! The client certificate for TLS handshakes (RFC 8705). A changed file is reloaded, so renewing the certificate needs
//! no restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::pem_file;

/// Certificate chain and private key, from two files.
pub struct ClientCertificate {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: Mutex<Loaded>,
}

struct Loaded {
    changed: Changed,
    key: Arc<CertifiedKey>,
}

/// The modification times of the two files.
type Changed = [Option<SystemTime>; 2];

impl ClientCertificate {
    /// Reads both files.
    ///
    /// # Errors
    /// A file cannot be read or is invalid, or the key is not that of the certificate. The string names the file.
    pub fn load(certificate: &Path, key: &Path, provider: Arc<CryptoProvider>) -> Result<ClientCertificate, String> {
        let current = Mutex::new(read(certificate, key, &provider)?);
        Ok(ClientCertificate {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            provider,
            current,
        })
    }

    /// The current certificate. If the files cannot be used, perhaps because they are being written, the previous
    /// certificate stays in use.
    fn current(&self) -> Arc<CertifiedKey> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.changed != changed(&self.certificate, &self.key) {
            match read(&self.certificate, &self.key, &self.provider) {
                Ok(loaded) => {
                    log::info!("reloaded client certificate {}", self.certificate.display());
                    *current = loaded;
                }
                Err(error) => {
                    log::warn!("reloading the client certificate failed, so the previous one stays in use: {error}");
                }
            }
        }
        Arc::clone(&current.key)
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Loaded, String> {
    let changed = changed(certificate, key);
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem_file::describe(certificate, &error, "the certificate and its chain"))?;
    if chain.is_empty() {
        return Err(format!(
            "{} contains no certificate: write at least one in PEM",
            certificate.display()
        ));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| pem_file::describe(key, &error, "the private key of the certificate"))?;
    let key = CertifiedKey::from_der(chain, private, provider).map_err(|error| {
        format!(
            "certificate {} and key {} do not match, or cannot be used: {error}: write a certificate and its own private key",
            certificate.display(),
            key.display()
        )
    })?;
    Ok(Loaded {
        changed,
        key: Arc::new(key),
    })
}

fn changed(certificate: &Path, key: &Path) -> Changed {
    [certificate, key].map(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let current = self.current();
        current.key.choose_scheme(schemes).map(|_| current)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path) {
        let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
        std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    }

    fn load(folder: &Path) -> Result<ClientCertificate, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientCertificate::load(&folder.join("cert.pem"), &folder.join("key.pem"), provider)
    }

    #[test]
    fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let certificate = load(folder.path()).unwrap();
        let first = certificate.current();
        assert!(Arc::ptr_eq(&first, &certificate.current()));
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        let touch = |later| {
            let file = std::fs::File::options()
                .write(true)
                .open(folder.path().join("cert.pem"))
                .unwrap();
            file.set_modified(later).unwrap();
        };
        write(folder.path());
        touch(later);
        let second = certificate.current();
        assert_ne!(first.cert, second.cert);
        std::fs::write(folder.path().join("cert.pem"), "half written").unwrap();
        assert_eq!(certificate.current().cert, second.cert);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(one.path());
        write(other.path());
        std::fs::copy(other.path().join("key.pem"), one.path().join("key.pem")).unwrap();
        assert!(load(one.path()).unwrap_err().contains("do not match"));
    }
}
