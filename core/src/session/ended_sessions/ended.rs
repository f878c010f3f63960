//! What was ended: a session, a login or a user, and its text form.

use crate::cookie::session_id::{SessionId, SubjectHash};
use crate::encoding::hex;

/// The session, login or user that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ended {
    /// One session, by its random number.
    Session([u8; 16]),
    /// All sessions that a login, which is the authorization server's own session (`sid`), has at that time, and no later
    /// ones: if its own session continues, it signs the user in again under the same `sid`.
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

/// All sessions that began before a time have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllEnded {
    /// Sessions that began before this time have ended. In seconds since 1970; 0 if no session was ended in this way.
    pub before: u64,
    /// When they were ended, in seconds since 1970: cookies that were sealed later are of later sessions.
    pub ended_at: u64,
    /// The change of the list that set `before`.
    pub(super) change: u64,
}

impl AllEnded {
    /// Sessions that began before `before` have ended, at `ended_at` (both in seconds since 1970).
    pub fn new(before: u64, ended_at: u64) -> Self {
        Self {
            before,
            ended_at,
            change: 0,
        }
    }

    /// Returns the text form: `a` and the time before which sessions have ended.
    pub fn to_text(self) -> String {
        format!("a{}", self.before)
    }

    /// Parses the form of [`AllEnded::to_text`]. `ended_at` is the time at which they were ended, in seconds since 1970.
    pub fn from_text(text: &str, ended_at: u64) -> Option<Self> {
        let before = text.strip_prefix('a')?.parse().ok()?;
        Some(Self::new(before, ended_at))
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
