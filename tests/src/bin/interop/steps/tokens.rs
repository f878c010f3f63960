//! The API, refreshes, introspection, revocation.

use bff_core::cookie::purpose::Purpose;
use bff_tests::setup::statistic;
use bff_tests::user_agent::AT;

use super::{Done, StepResult};
use crate::variant::Form;
use crate::walk::{Walk, expect, shown, with_bearer};

/// How many tabs refresh at once.
const TABS: usize = 8;

fn api(walk: &Walk<'_>, wanted: Form) -> StepResult {
    if walk.variant.form != wanted {
        return Ok(Done::NotHere);
    }
    let user = walk.signed_in()?;
    walk.call_api(&user)?;
    let token = walk.token(&user, Purpose::AccessToken)?;
    if wanted != Form::Jwt {
        let response = user.send(&with_bearer(&token));
        expect("GET of the API with a bearer token", &response, 200)?;
    }
    Ok(Done::Passed)
}

pub(super) fn api_with_exchanged_token(walk: &Walk<'_>) -> StepResult {
    api(walk, Form::Exchanged)
}

pub(super) fn api_with_checked_jwt(walk: &Walk<'_>) -> StepResult {
    api(walk, Form::Checked)
}

pub(super) fn api_with_jwt(walk: &Walk<'_>) -> StepResult {
    api(walk, Form::Jwt)
}

pub(super) fn api_with_own_token(walk: &Walk<'_>) -> StepResult {
    api(walk, Form::TokenExchange)
}

/// The API shows what reaches it.
pub(super) fn api_with_claims(walk: &Walk<'_>) -> StepResult {
    if walk.variant.form != Form::Claims {
        return Ok(Done::NotHere);
    }
    let user = walk.signed_in()?;
    let header = &walk.introspection["claim_to_headers"][0];
    // The same claim of the ID token. What RFC 7662 calls `username` has another name there.
    let claim = match header["claim_name"].as_str().unwrap_or_default() {
        "username" => "preferred_username",
        claim => claim,
    };
    let value = walk.id_token_claims(&user)?[claim].clone();
    let response = user.get_data();
    expect("GET of the API", &response, 200)?;
    let head = String::from_utf8_lossy(&response.body).into_owned();
    let name = header["header_name"].as_str().unwrap_or_default();
    let value = value.as_str().ok_or_else(|| {
        format!("missing `{claim}` in the ID token: request its scope, or choose another claim for `claim_to_headers`")
    })?;
    let expected = format!("{name}: {value}");
    match head.lines().any(|line| line == expected) && !head.contains(&format!("{AT}=")) {
        true => Ok(Done::Passed),
        false => Err(format!("missing `{expected}` in the request: {}", shown(&response))),
    }
}

fn introspection(walk: &Walk<'_>, by_own_client: bool) -> StepResult {
    let own = walk.introspection["client_id"] == *walk.setting("BFF_CLIENT__ID");
    if walk.settings.stage.is_none() || own != by_own_client {
        return Ok(Done::NotHere);
    }
    let user = walk.signed_in()?;
    let token = walk.token(&user, Purpose::AccessToken)?;
    match (walk.is_active(&token)?, walk.is_active("not-a-token")?) {
        (true, false) => Ok(Done::Passed),
        (known, unknown) => Err(format!(
            "introspection returned `active: {known}` for an active access token and `active: {unknown}` for an unknown one"
        )),
    }
}

pub(super) fn introspection_by_second_client(walk: &Walk<'_>) -> StepResult {
    introspection(walk, false)
}

pub(super) fn introspection_by_own_client(walk: &Walk<'_>) -> StepResult {
    introspection(walk, true)
}

/// Some servers forbid caching in every response, which only a setting of the filter helps against.
pub(super) fn caching(walk: &Walk<'_>) -> StepResult {
    if walk.settings.stage.is_none() {
        return Ok(Done::NotHere);
    }
    let user = walk.signed_in()?;
    let callouts = || statistic(walk.system, "cluster.introspection.upstream_rq_total");
    walk.call_api(&user)?;
    let before = callouts();
    for _ in 0..5 {
        walk.call_api(&user)?;
    }
    match callouts() - before {
        0 => Ok(Done::Passed),
        count => Err(format!(
            "the filter did not cache: {count} introspections for ten requests with an access token that it had introspected"
        )),
    }
}

pub(super) fn refresh_twice(walk: &Walk<'_>) -> StepResult {
    let mut user = walk.signed_in()?;
    let subject = walk.id_token_claims(&user)?["sub"].clone();
    for _ in 0..2 {
        let before = walk.token(&user, Purpose::AccessToken)?;
        walk.refresh(&mut user)?;
        if walk.token(&user, Purpose::AccessToken)? == before {
            return Err("the access token is the same after a refresh".to_owned());
        }
        walk.call_api(&user)?;
        // Other calls find the same session.
        let claims = walk.session(&mut user)?["claims"].clone();
        if claims["sub"] != subject {
            return Err(format!("/session lost claims at the refresh: it has {claims}"));
        }
    }
    Ok(Done::Passed)
}

/// All tabs send the same refresh token, which a server that rotates accepts once.
pub(super) fn refresh_at_once(walk: &Walk<'_>) -> StepResult {
    let user = walk.signed_in()?;
    let tabs: Vec<_> = std::thread::scope(|scope| {
        let refresh = |_| {
            let mut tab = user.clone();
            scope.spawn(move || {
                let response = tab.bff("POST", "/bff/refresh");
                expect("one of several refreshes", &response, 204).map(|()| tab)
            })
        };
        let threads: Vec<_> = (0..TABS).map(refresh).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|tab| tab.map_err(|_| "a tab panicked".to_owned())?)
            .collect()
    });
    let mut tokens = Vec::new();
    for tab in tabs {
        let mut tab = tab?;
        walk.call_api(&tab)?;
        tokens.push(walk.token(&tab, Purpose::AccessToken)?);
        // The session continues with the cookies of the last response.
        if tokens.len() == TABS {
            walk.refresh(&mut tab)?;
        }
    }
    tokens.dedup();
    match tokens.len() {
        1 => Ok(Done::Passed),
        count => Err(format!("the tabs did not get one access token: they got {count}")),
    }
}

/// The service revokes in the background. A server may keep a JWT access token valid, which no introspection finds out.
pub(super) fn revocation(walk: &Walk<'_>) -> StepResult {
    if !walk.has_endpoint("revocation_endpoint")? {
        return Ok(Done::NotOffered("it has no revocation endpoint"));
    }
    let mut user = walk.signed_in()?;
    let refresh = walk.token(&user, Purpose::RefreshToken)?;
    let mut copy = user.clone();
    walk.log_out(&mut user)?;
    let response = copy.bff("POST", "/bff/refresh");
    expect("/refresh with a copy of the cookies after the logout", &response, 401)?;
    walk.eventually("the refresh token is inactive at the server", || {
        walk.is_active(&refresh).map(|active| !active)
    })?;
    Ok(Done::Passed)
}

/// The filter has never seen the token, so its cache does not matter.
pub(super) fn revoked_token_at_api(walk: &Walk<'_>) -> StepResult {
    if walk.variant.form == Form::Jwt {
        return Ok(Done::NotHere);
    }
    if !walk.has_endpoint("revocation_endpoint")? {
        return Ok(Done::NotOffered("it has no revocation endpoint"));
    }
    let mut user = walk.signed_in()?;
    let token = walk.token(&user, Purpose::AccessToken)?;
    walk.log_out(&mut user)?;
    walk.eventually("the access token is inactive at the server", || {
        walk.is_active(&token).map(|active| !active)
    })?;
    let response = user.send(&with_bearer(&token));
    expect("GET of the API with the revoked token", &response, 401)?;
    Ok(Done::Passed)
}
