//! What was ended: a session, a login or a user, and its name in text.

use crate::cookie::session_id::{SessionId, SubjectHash};
use crate::encoding::hex;

/// What was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ended {
    /// One session, by its own number.
    Session([u8; 16]),
    /// All sessions that a login at the authorization server (`sid`) has at that moment: servers that keep their own
    /// session sign the user in again under the same `sid`.
    Login(SubjectHash),
    /// All sessions that a user has at that moment (`sub`).
    User(SubjectHash),
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
            Self::Login(digest) | Self::User(digest) => digest == SubjectHash::NONE,
        }
    }

    /// In text: the kind's letter and the hexadecimal name.
    pub fn to_text(self) -> String {
        match self {
            Self::Session(number) => format!("s{}", hex::encode(&number)),
            Self::Login(digest) => format!("l{}", hex::encode(&digest.0)),
            Self::User(digest) => format!("u{}", hex::encode(&digest.0)),
        }
    }

    /// Reads [`Ended::to_text`].
    pub fn from_text(text: &str) -> Option<Self> {
        let (kind, digits) = text.split_at_checked(1)?;
        match kind {
            "s" => Some(Self::Session(hex::decode(digits)?)),
            "l" => Some(Self::Login(SubjectHash(hex::decode(digits)?))),
            "u" => Some(Self::User(SubjectHash(hex::decode(digits)?))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_of_another_issuer_is_another_name() {
        assert_ne!(SubjectHash::of("https://a", "x"), SubjectHash::of("https://b", "x"));
        assert_ne!(SubjectHash::of("https://a", "bx"), SubjectHash::of("https://ab", "x"));
    }
}
