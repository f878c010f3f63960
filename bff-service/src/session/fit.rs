//! Whether new tokens fit into cookies. It is asked while whoever got them can still give them back: tokens that no cookie holds
//! would live on at the authorization server, and nobody could end them.

use super::cookies::request::{Place, RequestCookies};
use super::cookies::response::SetCookies;
use super::cookies::settings::CookieSettings;
use super::ended;
use super::identity::{Session, SessionLifetimes};
use super::writer::{SessionWriter, Tokens, WriteError};

/// Writes the tokens as an answer would, for nobody: so nothing is to be known here of how long what becomes.
///
/// # Errors
/// They do not fit.
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
    // A CSRF value is of one length, and short.
    SessionWriter::new(&mut SetCookies::new(&none), session, lifetimes, now).write(tokens, b"", None)
}
