//! The tokens of a session.

use super::identity::ReplicaId;

/// The tokens to write.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    /// Access token.
    pub access_token: &'a str,
    /// When the access token expires, in seconds since 1970.
    pub access_token_expires_at: u64,
    /// Refresh token, if the authorization server issued one.
    pub refresh_token: Option<&'a str>,
    /// When the refresh token expires, in seconds since 1970, if known.
    pub refresh_token_expires_at: Option<u64>,
    /// The scope for the next refresh, if known.
    pub scope: Option<&'a str>,
    /// ID token, if any.
    pub id_token: Option<&'a str>,
    /// The replica that received the tokens.
    pub renewed_by: ReplicaId,
    /// When that replica received the tokens, in seconds since 1970.
    pub renewed_at: u64,
}
