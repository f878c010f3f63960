//! The tokens of the modelled authorization server. A token names its family and its place in it, so that the run can
//! seal cookies for tokens that the server knows without asking it for a hundred thousand.

use sha2::{Digest, Sha256};

/// Makes and reads tokens. A check value without a key marks those of this server, which is enough for a model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mint;

/// An access token, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccessToken {
    pub(crate) family: u32,
    pub(crate) generation: u32,
    /// Milliseconds since 1970.
    pub(crate) expires_at: u64,
}

impl Mint {
    /// The refresh token of a family after this many rotations.
    pub(crate) fn refresh_token(self, family: u32, generation: u32) -> String {
        with_checksum(&format!("r.{family}.{generation}"))
    }

    /// The access token that came with that refresh token, and expires at this time (milliseconds since 1970).
    pub(crate) fn access_token(self, family: u32, generation: u32, expires_at: u64) -> String {
        with_checksum(&format!("a.{family}.{generation}.{expires_at}"))
    }

    /// Family and generation of a refresh token; `None` if this server has not made it.
    pub(crate) fn read_refresh_token(self, token: &str) -> Option<(u32, u32)> {
        let mut parts = parts(token, "r")?;
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    /// The content of an access token; `None` if this server has not made it.
    pub(crate) fn read_access_token(self, token: &str) -> Option<AccessToken> {
        let mut parts = parts(token, "a")?;
        Some(AccessToken {
            family: parts.next()?.parse().ok()?,
            generation: parts.next()?.parse().ok()?,
            expires_at: parts.next()?.parse().ok()?,
        })
    }
}

fn with_checksum(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let check: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("{text}.{check}")
}

fn parts<'a>(token: &'a str, kind: &str) -> Option<impl Iterator<Item = &'a str>> {
    let (text, _) = token.rsplit_once('.')?;
    let mut parts = text.split('.');
    (with_checksum(text) == token && parts.next() == Some(kind)).then_some(parts)
}
