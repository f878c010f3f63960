//! What was ended: a session, a login or a user, and its text form.

use crate::cookie::session_id::{SessionId, SubjectHash};
use crate::encoding::hex;

/// The session, login or user that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ended {
    /// One session, by its random number.
    Session([u8; 16]),
    /// All sessions that a login, which is the authorization server's own session (`sid`), has at that time, and no later
    /// ones: a server whose own session continues signs the user in again under the same `sid`.
    Login(SubjectHash),
    /// All sessions that a user (`sub`) has at that time.
    User(SubjectHash),
}

impl Ended {
    /// Names one session.
    pub fn session(session: &SessionId) -> Self {
        Self::Session(session.parts().0)
    }

    /// Whether this names nothing: cookies without a session, login or user have zeros in its place, and must not all
    /// be ended by an entry without a name.
    pub fn is_nameless(self) -> bool {
        match self {
            Self::Session(number) => number == [0; 16],
            Self::Login(digest) | Self::User(digest) => digest == SubjectHash::NONE,
        }
    }

    /// Returns the text form: the letter of the kind, then the name in hexadecimal digits.
    pub fn to_text(self) -> String {
        match self {
            Self::Session(number) => format!("s{}", hex::encode(&number)),
            Self::Login(digest) => format!("l{}", hex::encode(&digest.0)),
            Self::User(digest) => format!("u{}", hex::encode(&digest.0)),
        }
    }

    /// Parses the form of [`Ended::to_text`].
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
