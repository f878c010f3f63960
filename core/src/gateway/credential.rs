//! The credential of a request: the stages in their order (`docs/CONTRACT.md`, section 3).
//!
//! No early exit of a stage skips a later check and still attaches a token. Headers that callers may not send are
//! removed from every request that is forwarded.

use zeroize::Zeroizing;

use super::bearer;
use super::config::Config;
use super::cookie_cache::{CachedCookie, CookieCache};
use super::cookie_stage;
use super::error_code::ErrorCode;
use super::header_mutations::HeaderMutations;
use super::rejection::Rejection;
use super::untrusted_headers;
use crate::request::head::RequestHead;
use crate::session::ended_sessions::EndedSessions;

/// The credential of a request, with its access token.
pub(crate) enum Credential {
    Cookie(CachedCookie),
    Bearer(Zeroizing<Vec<u8>>),
}

/// Returns the credential of a request that passes all checks before the token stage, and the header mutations so far.
pub(crate) fn of_request(
    config: &Config,
    cookies: &mut CookieCache,
    head: &RequestHead,
    ended: &EndedSessions,
    now: u64,
) -> Result<(Credential, HeaderMutations), Rejection> {
    let mut mutations = untrusted_headers::strip(config, head);
    let cookie = match &config.bff_token {
        Some(stage) => cookie_stage::access_token(stage, cookies, head, &mut mutations, now)?,
        None => None,
    };
    let has_ended = |cookie: &CachedCookie| {
        let session = cookie.cookie.session();
        session.is_some_and(|(session, began_at)| ended.has_ended(&session, began_at))
    };
    if cookie.as_ref().is_some_and(has_ended) {
        return Err(Rejection::unauthorized("the session has ended"));
    }
    let has_route_metadata = config
        .phantom_token
        .as_ref()
        .is_some_and(|stage| stage.route_metadata.is_some());
    if has_route_metadata && untrusted_headers::may_have_selected_the_route(config, head, cookie.is_some()) {
        return Err(Rejection::new(
            ErrorCode::MalformedCredentials,
            "a header that clients may not send may have selected the route",
        ));
    }
    let credential = match cookie {
        Some(cookie) => Credential::Cookie(cookie),
        None => Credential::Bearer(bearer::token(head)?),
    };
    Ok((credential, mutations))
}
