//! Information about a token as bytes, for the shared cache.
//!
//! The format (1 byte). The kind of the binding (1 byte), and only for a certificate its thumbprint (32 bytes). When the user authenticated
//! and when the token expires: of each whether it is known (1 byte), and the seconds since 1970 (8 bytes, big-endian). Then
//! the headers, the scopes, the audiences and `acr`: of each list the number of its strings, and of each string its length
//! before it (4 bytes, big-endian). A header is two strings: name and value. A list with `acr` has one string or none.

use zeroize::Zeroizing;

use super::authentication::Authentication;
use super::token_info::{Binding, TokenInfo};

/// The number of this format. In an earlier format, values began with the kind of the binding: 0, 1 and 2 are not used
/// again.
const FORMAT: u8 = 3;
const UNBOUND: u8 = 0;
const BOUND_TO_CERTIFICATE: u8 = 1;
const BOUND_TO_OTHER: u8 = 2;

/// Returns the bytes; `None` if something is too long.
pub(crate) fn encode(info: &TokenInfo) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(info.size()));
    out.push(FORMAT);
    match &info.binding {
        Binding::None => out.push(UNBOUND),
        Binding::Certificate(thumbprint) => {
            out.push(BOUND_TO_CERTIFICATE);
            out.extend_from_slice(thumbprint);
        }
        Binding::Other => out.push(BOUND_TO_OTHER),
    }
    for time in [info.authentication.time, info.expires_at] {
        out.push(u8::from(time.is_some()));
        out.extend_from_slice(&time.unwrap_or_default().to_be_bytes());
    }
    let headers = info
        .headers
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value.as_slice()]);
    list(&mut out, headers.collect())?;
    list(&mut out, info.scopes.iter().map(String::as_bytes).collect())?;
    list(&mut out, info.audiences.iter().map(String::as_bytes).collect())?;
    list(&mut out, info.authentication.acr.iter().map(String::as_bytes).collect())?;
    Some(out)
}

fn list(out: &mut Vec<u8>, strings: Vec<&[u8]>) -> Option<()> {
    let number = |number: usize| u32::try_from(number).ok().map(u32::to_be_bytes);
    out.extend_from_slice(&number(strings.len())?);
    for string in strings {
        out.extend_from_slice(&number(string.len())?);
        out.extend_from_slice(string);
    }
    Some(())
}

/// Reads what [`encode`] has written; `None` for anything else.
pub(crate) fn decode(bytes: &[u8]) -> Option<TokenInfo> {
    let (kind, rest) = bytes.strip_prefix(&[FORMAT])?.split_first()?;
    let (binding, rest) = match *kind {
        UNBOUND => (Binding::None, rest),
        BOUND_TO_CERTIFICATE => {
            let (thumbprint, rest) = rest.split_first_chunk()?;
            (Binding::Certificate(*thumbprint), rest)
        }
        BOUND_TO_OTHER => (Binding::Other, rest),
        _ => return None,
    };
    let mut reader = Reader(rest);
    let (authenticated_at, expires_at) = (reader.time()?, reader.time()?);
    let headers = reader.list()?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let info = TokenInfo {
        headers: headers
            .chunks_exact(2)
            .map(|header| match header {
                [name, value] => Some((text(name)?, value.to_vec())),
                _ => None,
            })
            .collect::<Option<_>>()?,
        scopes: reader.list()?.into_iter().map(text).collect::<Option<_>>()?,
        audiences: reader.list()?.into_iter().map(text).collect::<Option<_>>()?,
        binding,
        authentication: Authentication {
            acr: match reader.list()?.as_slice() {
                [] => None,
                [acr] => Some(text(acr)?),
                _ => return None,
            },
            time: authenticated_at,
        },
        expires_at,
    };
    (reader.0.is_empty() && headers.len().is_multiple_of(2)).then_some(info)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<usize> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        usize::try_from(u32::from_be_bytes(*number)).ok()
    }

    /// Reads a time that may be unknown.
    fn time(&mut self) -> Option<Option<u64>> {
        let (is_known, rest) = self.0.split_first()?;
        let (seconds, rest) = rest.split_first_chunk()?;
        self.0 = rest;
        match (is_known, u64::from_be_bytes(*seconds)) {
            (0, 0) => Some(None),
            (1, seconds) => Some(Some(seconds)),
            _ => None,
        }
    }

    fn list(&mut self) -> Option<Vec<&'a [u8]>> {
        let count = self.number()?;
        // Not allocated at once: the number may be that of somebody who wants much memory.
        let mut strings = Vec::new();
        for _ in 0..count {
            let length = self.number()?;
            let (string, rest) = self.0.split_at_checked(length)?;
            self.0 = rest;
            strings.push(string);
        }
        Some(strings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn info() -> impl Strategy<Value = TokenInfo> {
        let binding = prop_oneof![
            Just(Binding::None),
            Just(Binding::Other),
            any::<[u8; 32]>().prop_map(Binding::Certificate),
        ];
        let strings = || proptest::collection::vec(".{0,12}", 0..4);
        let headers = proptest::collection::vec(("[a-z-]{1,12}", any::<Vec<u8>>()), 0..3);
        let authentication = (any::<Option<String>>(), any::<Option<u64>>());
        let authentication = authentication.prop_map(|(acr, time)| Authentication { acr, time });
        (
            headers,
            strings(),
            strings(),
            binding,
            authentication,
            any::<Option<u64>>(),
        )
            .prop_map(
                |(headers, scopes, audiences, binding, authentication, expires_at)| TokenInfo {
                    headers,
                    scopes,
                    audiences,
                    binding,
                    authentication,
                    expires_at,
                },
            )
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(info in info()) {
            let bytes = encode(&info).unwrap();
            prop_assert_eq!(decode(&bytes), Some(info));
            for cut in 0..bytes.len() {
                prop_assert_eq!(decode(&bytes[..cut]), None);
            }
        }

        #[test]
        fn what_an_earlier_release_wrote_is_not_read(info in info()) {
            let bytes = encode(&info).unwrap();
            prop_assert_eq!(decode(&bytes[1..]), None);
        }

        #[test]
        fn anything_can_be_read(bytes in any::<Vec<u8>>()) {
            decode(&bytes);
        }
    }
}
