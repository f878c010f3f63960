//! Sessions that were ended before their cookies expire: the user signed out, or the authorization server says so.
//!
//! A session lives in cookies alone, so nothing can be deleted to end it. Instead its name is remembered for as long as
//! its cookies could live. The service keeps the list; the filter reads it from the service from time to time.

mod json;
mod list;

pub use list::EndedSessions;

use crate::cookie::seal::{NameDigest, SessionId};

/// What was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ended {
    /// One session, by its own number.
    Session([u8; 16]),
    /// All sessions that a login at the authorization server (`sid`) has at that moment: servers that keep their own
    /// session sign the user in again under the same `sid`.
    Login(NameDigest),
    /// All sessions that a user has at that moment (`sub`).
    User(NameDigest),
}

impl Ended {
    /// The one session.
    pub fn session(session: &SessionId) -> Self {
        Self::Session(session.parts().0)
    }

    /// Whether it names nothing: what is of no session, login or user has zeros in its place, and all of that is not over
    /// because somebody ended what has no name.
    pub fn is_nameless(self) -> bool {
        match self {
            Self::Session(number) => number == [0; 16],
            Self::Login(digest) | Self::User(digest) => digest == NameDigest::NONE,
        }
    }

    /// In text: the kind's letter and the hexadecimal name.
    pub fn to_text(self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match self {
            Self::Session(number) => format!("s{}", hex(&number)),
            Self::Login(digest) => format!("l{}", hex(&digest.0)),
            Self::User(digest) => format!("u{}", hex(&digest.0)),
        }
    }

    /// Reads [`Ended::to_text`].
    pub fn from_text(text: &str) -> Option<Self> {
        let (kind, hex) = text.split_at_checked(1)?;
        match kind {
            "s" => Some(Self::Session(from_hex(hex)?)),
            "l" => Some(Self::Login(NameDigest(from_hex(hex)?))),
            "u" => Some(Self::User(NameDigest(from_hex(hex)?))),
            _ => None,
        }
    }
}

fn from_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16).filter(|_| !digit.is_ascii_uppercase());
        let [high, low] = pair.map(digit);
        *byte = u8::try_from(high?.checked_mul(16)?.checked_add(low?)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_of_another_issuer_is_another_name() {
        assert_ne!(NameDigest::of("https://a", "x"), NameDigest::of("https://b", "x"));
        assert_ne!(NameDigest::of("https://a", "bx"), NameDigest::of("https://ab", "x"));
    }
}
