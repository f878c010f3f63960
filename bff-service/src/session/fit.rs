//! Whether new tokens fit into cookies. The check happens while the tokens can still be revoked: tokens that no cookie
//! can hold would stay valid at the authorization server, and nobody could revoke them.

use super::cookies::request::{Place, RequestCookies};
use super::cookies::response::SetCookies;
use super::cookies::settings::CookieSettings;
use super::ended;
use super::identity::{Session, SessionLifetimes};
use super::tokens::Tokens;
use super::writer::{CsrfValue, SessionWriter, WriteError};

/// Writes the tokens as for a response and discards the result, so the lengths of the cookies need no separate
/// calculation.
///
/// # Errors
/// The tokens do not fit, or sealing failed.
pub fn check(
    tokens: &Tokens<'_>,
    session: Session,
    settings: &CookieSettings,
    ended: &ended::List,
    lifetimes: SessionLifetimes,
    now: u64,
) -> Result<(), WriteError> {
    let nowhere = Place { host: "", path: "" };
    let none = RequestCookies::new(settings, ended, [], nowhere, now);
    // A CSRF value has a fixed, short length.
    SessionWriter::new(&mut SetCookies::new(&none), session, lifetimes, now).write(tokens, &CsrfValue::New(b""), None)
}
