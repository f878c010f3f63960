//! What is wrong with a PEM file.

use std::path::Path;

use rustls::pki_types::pem::Error;

/// Describes what is wrong with the PEM file at `path`, which should contain `what`.
pub(super) fn describe(path: &Path, error: &Error, what: &str) -> String {
    let path = path.display();
    if let Error::Io(error) = error {
        return format!("reading {path} failed: {error}: write the path of a file that can be read");
    }
    format!("invalid PEM in {path}: {error}: write {what} in PEM")
}
