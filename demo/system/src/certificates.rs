//! The demo's certificate authority, the certificate of its hosts, and that of a partner that calls the API with
//! mutual TLS.
//!
//! The authority's key is discarded after it has signed: a browser that trusts this authority trusts only these
//! certificates, and the disk has no key that could sign another. All of them are created together.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::error::Error;
use crate::files;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Within the 825 days that Apple's systems accept, also of authorities that a user adds.
const VALID_FOR: Duration = DAY.saturating_mul(397);
const RENEWED_BEFORE_EXPIRY: Duration = DAY.saturating_mul(30);

/// The files of the demo's certificates.
pub(crate) struct Certificates {
    /// The authority's certificate, which clients trust.
    pub(crate) ca: PathBuf,
    /// The servers' certificate.
    pub(crate) server: PathBuf,
    /// Its private key.
    pub(crate) server_key: PathBuf,
    /// The partner's certificate.
    pub(crate) client: PathBuf,
    /// The partner's private key.
    pub(crate) client_key: PathBuf,
}

impl Certificates {
    /// Creates the certificates if a file is missing, if they are about to expire, or if the domains have changed. `further`
    /// are domains that have `www` and `api` as well.
    pub(crate) fn prepare(directory: &Path, domain: &str, further: &[String]) -> Result<Certificates, Error> {
        let domains = std::iter::once(domain).chain(further.iter().map(String::as_str));
        let domains = domains.collect::<Vec<_>>().join(" ");
        let certificates = Certificates {
            ca: directory.join("ca.pem"),
            server: directory.join("server.pem"),
            server_key: directory.join("server.key"),
            client: directory.join("partner.pem"),
            client_key: directory.join("partner.key"),
        };
        let note = directory.join("certificates.txt");
        let now = SystemTime::now();
        let Certificates {
            ca,
            server,
            server_key,
            client,
            client_key,
        } = &certificates;
        let complete = [ca, server, server_key, client, client_key]
            .iter()
            .all(|path| path.is_file());
        let valid = files::read_if_there(&note)?.is_some_and(|note| is_valid(&note, &domains, now));
        if !(complete && valid) {
            certificates.make(domain, further, now)?;
            files::write(&note, note_text(&domains, now + VALID_FOR))?;
        }
        Ok(certificates)
    }

    fn make(&self, domain: &str, further: &[String], now: SystemTime) -> Result<(), Error> {
        let failed = |error| Error::new(format!("creating the certificates for {domain} failed: {error}"));
        let ca_key = KeyPair::generate().map_err(failed)?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name
            .push(DnType::CommonName, format!("Demo CA of {domain}"));
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        // Clocks of virtual machines are sometimes behind.
        ca.not_before = (now - DAY).into();
        ca.not_after = (now + VALID_FOR).into();
        let ca_certificate = ca.self_signed(&ca_key).map_err(failed)?;
        let issuer = Issuer::new(ca, ca_key);

        let server_key = KeyPair::generate().map_err(failed)?;
        let names = ["www", "api", "login", "mtls"].map(|host| format!("{host}.{domain}"));
        let further = further
            .iter()
            .flat_map(|domain| ["www", "api"].map(|host| format!("{host}.{domain}")));
        let names: Vec<String> = names.into_iter().chain(further).collect();
        let mut server = CertificateParams::new(names).map_err(failed)?;
        server
            .distinguished_name
            .push(DnType::CommonName, format!("www.{domain}"));
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        server.not_before = (now - DAY).into();
        server.not_after = (now + VALID_FOR - DAY).into();
        let server_certificate = server.signed_by(&server_key, &issuer).map_err(failed)?;

        let client_key = KeyPair::generate().map_err(failed)?;
        let mut client = CertificateParams::default();
        client.distinguished_name.push(DnType::CommonName, "partner-client");
        client.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        client.use_authority_key_identifier_extension = true;
        client.not_before = (now - DAY).into();
        client.not_after = (now + VALID_FOR - DAY).into();
        let client_certificate = client.signed_by(&client_key, &issuer).map_err(failed)?;

        files::write(&self.client, client_certificate.pem())?;
        files::write_secret(&self.client_key, &client_key.serialize_pem())?;
        files::write(&self.ca, ca_certificate.pem())?;
        files::write(&self.server, server_certificate.pem())?;
        files::write_secret(&self.server_key, &server_key.serialize_pem())
    }
}

/// The certificates' domains and expiry, in a file beside them: reading it needs no certificate parser.
fn note_text(domain: &str, expires: SystemTime) -> String {
    format!("domain {domain}\nexpires {}\n", seconds(expires))
}

fn is_valid(note: &str, domain: &str, now: SystemTime) -> bool {
    let field = |name: &str| note.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let expires = field("expires").and_then(|expires| expires.parse::<u64>().ok());
    field("domain") == Some(domain) && expires > Some(seconds(now + RENEWED_BEFORE_EXPIRY))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_kept_while_they_are_good_and_made_anew_for_another_domain() {
        let directory = tempfile::tempdir().expect("a folder");
        let ca = |domain| {
            let certificates = Certificates::prepare(directory.path(), domain, &[]).expect("made");
            files::read(&certificates.ca).expect("written")
        };
        let first = ca("example.localhost");
        assert_eq!(first, ca("example.localhost"));
        assert_ne!(first, ca("other.localhost"));
    }

    #[test]
    fn certificates_are_renewed_in_good_time() {
        let now = SystemTime::now();
        let note = note_text("a.localhost", now + VALID_FOR);
        assert!(is_valid(&note, "a.localhost", now));
        assert!(!is_valid(&note, "a.localhost", now + VALID_FOR - DAY * 29));
        assert!(!is_valid("", "a.localhost", now));
    }

    #[test]
    fn no_key_of_the_authority_is_left() {
        let directory = tempfile::tempdir().expect("a folder");
        Certificates::prepare(directory.path(), "a.localhost", &[]).expect("made");
        let mut keys: Vec<_> = std::fs::read_dir(directory.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| files::read(path).expect("text").contains("PRIVATE KEY"))
            .collect();
        keys.sort();
        assert_eq!(
            keys,
            ["partner.key", "server.key"].map(|name| directory.path().join(name))
        );
    }
}
