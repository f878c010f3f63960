//! What is wrong with a PEM file.

use rustls::pki_types::pem::Error;

/// What is wrong with a PEM file, for after its path; `what` should be in it.
pub(super) fn fault(error: &Error, what: &str) -> String {
    if let Error::Io(error) = error {
        return format!("cannot be read: {error}: write the path of a file that the service may read");
    }
    format!("is not valid PEM: {error}: write {what} in PEM")
}
