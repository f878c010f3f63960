//! Sign-ins, and what is known of the user afterwards.

use std::time::Duration;

use super::{Done, StepResult};
use crate::walk::{SignIn, Walk, expect, shown};

pub(super) fn sign_in(walk: &Walk<'_>) -> StepResult {
    walk.pages.borrow_mut().forget()?;
    let SignIn { passage, end, .. } = walk.sign_in(&[])?;
    expect("/login/end", &end, 200)?;
    match (end.json()["isLoggedIn"] == true, passage.password) {
        (true, true) => Ok(Done::Passed),
        (true, false) => Err("the server did not ask for a password".to_owned()),
        _ => Err(format!("/login/end signed nobody in: {}", shown(&end))),
    }
}

pub(super) fn session(walk: &Walk<'_>) -> StepResult {
    let mut user = walk.signed_in()?;
    let session = walk.session(&mut user)?;
    let text = |claim: &str| session["claims"][claim].as_str().unwrap_or_default().to_owned();
    if session["isLoggedIn"] != true || session["accessTokenExpiresIn"].as_u64().is_none_or(|left| left == 0) {
        let members = ["isLoggedIn", "accessTokenExpiresIn"].map(|name| format!("{name}: {}", session[name]));
        let members = members.join(", ");
        return Err(format!(
            "/session has no session after the sign-in, or none with a valid access token: {members}: see the service's log"
        ));
    }
    let (issuer, subject) = (walk.setting("BFF_AUTHORIZATION_SERVER__ISSUER"), text("sub"));
    let response = user.bff("GET", "/bff/claims");
    expect("/claims", &response, 200)?;
    let claims = response.json();
    match claims["iss"] == *issuer && !subject.is_empty() && claims["sub"] == *subject {
        true => Ok(Done::Passed),
        false => Err(format!("/session has sub `{subject}`, /claims has {claims}")),
    }
}

fn user_info(walk: &Walk<'_>, from_endpoint: bool) -> StepResult {
    if walk.variant.userinfo_endpoint != from_endpoint {
        return Ok(Done::NotHere);
    }
    let mut user = walk.signed_in()?;
    let subject = walk.id_token_claims(&user)?["sub"].clone();
    let response = user.bff("GET", "/bff/userInfo");
    expect("/userInfo", &response, 200)?;
    match response.json()["sub"] == subject && subject.is_string() {
        true => Ok(Done::Passed),
        false => Err(format!("/userInfo does not have sub {subject}: {}", shown(&response))),
    }
}

pub(super) fn user_info_from_id_token(walk: &Walk<'_>) -> StepResult {
    user_info(walk, false)
}

pub(super) fn user_info_from_endpoint(walk: &Walk<'_>) -> StepResult {
    user_info(walk, true)
}

pub(super) fn silent(walk: &Walk<'_>) -> StepResult {
    walk.signed_in()?;
    let SignIn { passage, end, .. } = walk.sign_in(&[("prompt", "none")])?;
    match end.json()["isLoggedIn"] == true && passage.pages == 0 {
        true => Ok(Done::Passed),
        false => Err(format!(
            "the sign-in was not silent, or failed: it ended after {} pages of the authorization server: {}",
            passage.pages,
            shown(&end)
        )),
    }
}

pub(super) fn login_required(walk: &Walk<'_>) -> StepResult {
    walk.pages.borrow_mut().forget()?;
    let SignIn { passage, end, .. } = walk.sign_in(&[("prompt", "none")])?;
    match end.status == 401 && end.code() == "login_required" && passage.pages == 0 {
        true => Ok(Done::Passed),
        false => Err(format!(
            "the sign-in must end with `login_required` before any page of the authorization server, but ended after {} pages: {}",
            passage.pages,
            shown(&end)
        )),
    }
}

/// The first sign-in is older than the second one allows.
pub(super) fn max_age(walk: &Walk<'_>) -> StepResult {
    let first = walk.signed_in()?;
    let signed_in_at = walk.id_token_claims(&first)?["auth_time"].as_f64();
    std::thread::sleep(Duration::from_millis(2_500));
    let SignIn { user, passage, end } = walk.sign_in(&[("max_age", "1")])?;
    if end.json()["isLoggedIn"] != true {
        return Err(format!("the sign-in with `max_age` failed: {}", shown(&end)));
    }
    if !passage.password {
        return Err("the authorization server did not ask for the password, although `max_age` had passed".to_owned());
    }
    let again = walk.id_token_claims(&user)?["auth_time"].as_f64();
    match (signed_in_at, again) {
        (_, None) => Err("missing `auth_time` in the ID token of a sign-in with `max_age`".to_owned()),
        (Some(before), Some(again)) if again <= before => Err(format!(
            "`auth_time` is not later than before: it was {before} and is {again} seconds since 1970"
        )),
        (_, Some(_)) => Ok(Done::Passed),
    }
}
