//! What is wrong with a PEM file.

use rustls::pki_types::pem::Error;

/// Describes what is wrong with a PEM file that should contain `what`. The string follows the path.
pub(super) fn describe(error: &Error, what: &str) -> String {
    if let Error::Io(error) = error {
        return format!("cannot be read: {error}: write the path of a file that the service may read");
    }
    format!("is not valid PEM: {error}: write {what} in PEM")
}
