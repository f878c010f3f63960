//! Logout, and sessions that the server ends.

use bff_tests::user_agent::UserAgent;

use super::{Done, StepResult};
use crate::walk::{SignIn, Walk, expect, shown};

fn sign_out(walk: &Walk<'_>, with_hint: bool) -> StepResult {
    if walk.variant.hint != with_hint {
        return Ok(Done::NotHere);
    }
    if !walk.has_endpoint("end_session_endpoint")? {
        return Ok(Done::NotOffered("it has no end session endpoint"));
    }
    let mut user = walk.signed_in()?;
    let url = walk.log_out(&mut user)?;
    let passage = walk.pages.borrow_mut().open(&url)?;
    let asks = walk.server.borrow().has_sign_out_page();
    if with_hint && (passage.pages > 0) != asks {
        let (expected, received) = if asks { ("a", "none") } else { ("no", "one") };
        return Err(format!(
            "expected {expected} page of the authorization server at a sign-out with `id_token_hint`, and got {received}: \
             correct `has_sign_out_page` if the server has changed"
        ));
    }
    // The page load after sign-out: the `state` is the service's own.
    let end = user.end_login(&passage.url);
    if end.json()["handled"] != true || end.json()["isLoggedIn"] != false {
        return Err(format!(
            "/login/end did not handle the return from the sign-out: {}",
            shown(&end)
        ));
    }
    let SignIn { passage, end, .. } = walk.sign_in(&[])?;
    match (passage.password, end.json()["isLoggedIn"] == true) {
        (true, true) => Ok(Done::Passed),
        (false, _) => Err("the session at the server did not end: the next sign-in asks for no password".to_owned()),
        _ => Err(format!("the sign-in after the sign-out failed: {}", shown(&end))),
    }
}

pub(super) fn sign_out_without_hint(walk: &Walk<'_>) -> StepResult {
    sign_out(walk, false)
}

pub(super) fn sign_out_with_hint(walk: &Walk<'_>) -> StepResult {
    sign_out(walk, true)
}

/// The administrator ends the user's sessions.
pub(super) fn back_channel_logout(walk: &Walk<'_>) -> StepResult {
    let mut user = walk.signed_in()?;
    let mut other = walk.signed_in()?;
    walk.call_api(&user)?;
    let sid = |user: &UserAgent| {
        walk.id_token_claims(user)
            .map(|claims| claims["sid"].as_str().unwrap_or_default().to_owned())
    };
    let sids = [sid(&user)?, sid(&other)?];
    if let Some(reason) = walk.server.borrow().end_sessions(walk, &sids)? {
        return Ok(Done::NotOffered(reason));
    }
    for user in [&mut user, &mut other] {
        walk.eventually("the service knows of the logout", || {
            walk.session(user).map(|session| session["isLoggedIn"] == false)
        })?;
        walk.eventually("the filter refuses the cookies", || Ok(user.get_data().status == 401))?;
        let response = user.bff("POST", "/bff/refresh");
        expect("/refresh after the logout", &response, 401)?;
    }
    walk.signed_in().map(|_| Done::Passed)
}

/// The session at the server ends by itself, before its tokens do.
pub(super) fn session_limit(walk: &Walk<'_>) -> StepResult {
    let server = walk.server.borrow();
    let Some(limit) = server.session_limit() else {
        return Ok(Done::NotOffered("it has no session limit below a minute"));
    };
    limit(walk)
}
