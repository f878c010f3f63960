//! The demo's secrets: random, generated on the first run, in files that only their owner may read.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files;

/// The files below `secrets/`.
pub(crate) struct Secrets {
    /// The key ring that seals the cookies, of the service and the filter.
    pub(crate) cookie_keys: PathBuf,
    /// The secret of the client `spa-client`, of the service.
    pub(crate) client_secret: PathBuf,
    /// The secret of the client `api-gateway-client`, of the filter.
    pub(crate) gateway_client_secret: PathBuf,
}

impl Secrets {
    /// Generates the missing ones.
    pub(crate) fn prepare(directory: &Path) -> Result<Secrets, Error> {
        let directory = directory.join("secrets");
        files::create_dir(&directory)?;
        let secrets = Secrets {
            cookie_keys: directory.join("cookie-keys"),
            client_secret: directory.join("client-secret"),
            gateway_client_secret: directory.join("gateway-client-secret"),
        };
        for path in [
            &secrets.cookie_keys,
            &secrets.client_secret,
            &secrets.gateway_client_secret,
        ] {
            read_or_generate(path)?;
        }
        Ok(secrets)
    }

    /// The environment variables that the filter reads in Envoy.
    pub(crate) fn envoy_environment(&self) -> Result<[(&'static str, String); 2], Error> {
        let read = |path: &Path| files::read(path).map(|text| text.trim().to_owned());
        Ok([
            ("BFF_COOKIE_KEYS", read(&self.cookie_keys)?),
            ("GATEWAY_CLIENT_SECRET", read(&self.gateway_client_secret)?),
        ])
    }

    /// The same variables as the text of a file: one `NAME=value` per line.
    pub(crate) fn envoy_file(&self) -> Result<String, Error> {
        let lines = self
            .envoy_environment()?
            .map(|(name, value)| format!("{name}={value}\n"));
        Ok(lines.concat())
    }
}

/// The secret in this file. If there is none, it writes a random one there first.
pub(crate) fn read_or_generate(path: &Path) -> Result<String, Error> {
    let existing = files::read_if_there(path)?.map(|text| text.trim().to_owned());
    match existing.filter(|text| !text.is_empty()) {
        Some(secret) => Ok(secret),
        None => {
            let secret = random_hex()?;
            files::write_secret(path, &format!("{secret}\n"))?;
            Ok(secret)
        }
    }
}

/// A random secret of 256 bits, in hexadecimal digits.
pub(crate) fn random_hex() -> Result<String, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::new(format!("generating a secret failed: {error}")))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_random_private_and_kept() {
        let directory = tempfile::tempdir().expect("a folder");
        let first = Secrets::prepare(directory.path())
            .expect("made")
            .envoy_environment()
            .expect("read");
        let second = Secrets::prepare(directory.path())
            .expect("found")
            .envoy_environment()
            .expect("read");
        assert_eq!(first, second);
        assert_eq!(first[0].1.len(), 64);
        assert_ne!(first[0].1, first[1].1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let secrets = Secrets::prepare(directory.path()).expect("found");
            let mode = std::fs::metadata(secrets.cookie_keys)
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
