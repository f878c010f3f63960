//! Searches for secrets where they must not be, in every form in which they are transmitted.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;
use url::form_urlencoded;

/// A secret, and its name in messages.
#[derive(Clone)]
pub struct Secret {
    what: &'static str,
    forms: Vec<Vec<u8>>,
}

impl Secret {
    /// A secret in use.
    pub fn new(what: &'static str, value: &str) -> Self {
        assert!(
            value.len() >= 8,
            "{what} is too short to search for: make it at least 8 bytes long"
        );
        let mut forms = vec![
            value.as_bytes().to_vec(),
            form_urlencoded::byte_serialize(value.as_bytes())
                .collect::<String>()
                .into_bytes(),
            value
                .bytes()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .into_bytes(),
        ];
        // Base64 of a text that contains the secret, which begins at any of three places in a group.
        for before in 0..3 {
            let text = [vec![0; before], value.as_bytes().to_vec()].concat();
            // Without the digits that also encode bits before or after the secret.
            let whole = |encoded: String| {
                let begin = [0, 2, 3][before];
                let end = text.len() / 3 * 4;
                encoded.as_bytes()[begin..end].to_vec()
            };
            forms.push(whole(STANDARD_NO_PAD.encode(&text)));
            forms.push(whole(URL_SAFE_NO_PAD.encode(&text)));
        }
        forms.sort();
        forms.dedup();
        Self { what, forms }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.forms.iter().any(|form| memmem::find(bytes, form).is_some())
    }
}

/// Fails if `bytes` contain one of the secrets.
pub fn assert_none(secrets: &[Secret], place: &str, bytes: &[u8]) {
    assert!(!bytes.is_empty(), "{place} is empty: there is nothing to search");
    for secret in secrets {
        assert!(!secret.is_in(bytes), "{} is in {place}", secret.what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form() {
        let value = "a/secret+of the tests?";
        let secret = Secret::new("a secret", value);
        let found = |text: String| secret.is_in(text.as_bytes());
        assert!(found(format!("token={value}&more")));
        assert!(found(form_urlencoded::byte_serialize(value.as_bytes()).collect()));
        for before in ["", "i", "id", "id:", "client:"] {
            for after in ["", "x", "xy"] {
                let text = format!("{before}{value}{after}");
                assert!(found(STANDARD_NO_PAD.encode(&text)), "{text}");
                assert!(found(URL_SAFE_NO_PAD.encode(&text)), "{text}");
            }
        }
        assert!(!found("a/secret+of the test".to_owned()));
    }
}
