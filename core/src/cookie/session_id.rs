//! The identity of a session, and the hashed identifiers by which the authorization server can end it.

use sha2::{Digest, Sha256};

/// The identity of a session, created at login and sealed into each of its cookies: a random number of 16 bytes,
/// which binds the CSRF value to the tokens, and two digests of 8 bytes by which the authorization server or an
/// operator can end the session: of the user (`sub`), and of the login, which is the authorization server's own
/// session (`sid`). A digest of zeros stands for a missing identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 32]);

impl SessionId {
    /// Stands for a missing identity, for example in a cookie of pending logins, which belongs to no session yet.
    pub const NONE: Self = Self([0; 32]);

    /// Joins the random number and the two digests.
    pub fn new(number: [u8; 16], user: SubjectHash, login: SubjectHash) -> Self {
        let mut bytes = [0; 32];
        let parts = number.iter().chain(&user.0).chain(&login.0);
        bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = *part);
        Self(bytes)
    }

    /// Returns the random number, the digest of the user and the digest of the login.
    pub fn parts(&self) -> ([u8; 16], SubjectHash, SubjectHash) {
        let (mut number, mut user, mut login) = ([0; 16], [0; 8], [0; 8]);
        let parts = number.iter_mut().chain(&mut user).chain(&mut login);
        parts.zip(&self.0).for_each(|(part, byte)| *part = *byte);
        (number, SubjectHash(user), SubjectHash(login))
    }
}

/// A hashed identifier that the authorization server has for a user (`sub`) or a login (`sid`): short, and the same
/// everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectHash(pub [u8; 8]);

impl SubjectHash {
    /// Stands for a missing identifier.
    pub const NONE: Self = Self([0; 8]);

    /// Returns the digest of the identifier that `issuer` gives to a user or a login.
    pub fn of(issuer: &str, name: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(issuer.as_bytes());
        // A separator: no URL contains a zero byte.
        hash.update([0]);
        hash.update(name.as_bytes());
        let mut digest = [0; 8];
        digest
            .iter_mut()
            .zip(hash.finalize())
            .for_each(|(byte, hashed)| *byte = hashed);
        Self(digest)
    }
}
