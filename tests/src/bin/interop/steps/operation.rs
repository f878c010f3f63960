//! What happens to the server while it is in use.

use bff_core::cookie::purpose::Purpose;

use super::{Done, StepResult};
use crate::walk::{Walk, expect, key_id};

/// The service and the API get the new key when they first see it.
pub(super) fn new_key(walk: &Walk<'_>) -> StepResult {
    let user = walk.signed_in()?;
    let before = key_id(&walk.token(&user, Purpose::IdToken)?)?;
    if let Some(reason) = walk.server.borrow_mut().replace_key(walk)? {
        return Ok(Done::NotOffered(reason));
    }
    walk.before_new_key.replace(Some(user));
    let other = walk.signed_in()?;
    walk.call_api(&other)?;
    match key_id(&walk.token(&other, Purpose::IdToken)?)? {
        after if after == before => Err(format!("the ID token is still signed with the key {before}")),
        _ => Ok(Done::Passed),
    }
}

/// Refreshes a session that began before the step above.
pub(super) fn new_key_in_session(walk: &Walk<'_>) -> StepResult {
    let Some(mut user) = walk.before_new_key.take() else {
        return Ok(Done::NotHere);
    };
    walk.call_api(&user)?;
    walk.refresh(&mut user)?;
    walk.call_api(&user)?;
    Ok(Done::Passed)
}

/// While the server is away, the API works with what the filter has cached, and a refresh fails without an end of the session.
pub(super) fn restart(walk: &Walk<'_>) -> StepResult {
    let mut user = walk.signed_in()?;
    walk.call_api(&user)?;
    walk.server.borrow_mut().stop();
    let without = without_server(walk, &mut user);
    walk.server.borrow_mut().start(walk.site)?;
    without?;
    walk.refresh(&mut user)?;
    walk.call_api(&user)?;
    walk.signed_in().map(|_| Done::Passed)
}

fn without_server(walk: &Walk<'_>, user: &mut bff_tests::user_agent::UserAgent) -> Result<(), String> {
    walk.call_api(user)?;
    let response = user.bff("POST", "/bff/refresh");
    if !matches!(response.status, 502 | 503) {
        expect("/refresh without the server", &response, 502)?;
    }
    match walk.session(user)?["isLoggedIn"] == true {
        true => Ok(()),
        false => Err("the session has ended while the server was away".to_owned()),
    }
}

pub(super) fn rate_limit(walk: &Walk<'_>) -> StepResult {
    let limit = walk.server.borrow().rate_limit();
    match limit {
        Some(limit) => limit(walk),
        None => Ok(Done::NotOffered("it has no rate limit of its own")),
    }
}
