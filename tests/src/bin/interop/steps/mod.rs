//! The steps of the walk.
//!
//! * [`signing_in`]: sign-ins, and what is known of the user afterwards.
//! * [`tokens`]: the API, refreshes, introspection, revocation.
//! * [`token_exchange`]: two APIs, and a token for each.
//! * [`ends`]: logout, and sessions that the server ends.
//! * [`operation`]: what happens to the server while it is in use.

mod ends;
mod operation;
mod signing_in;
mod token_exchange;
mod tokens;

use crate::walk::Walk;

/// The result of a step that did not fail.
pub(crate) enum Done {
    /// The step was done, and all was as it should be.
    Passed,
    /// The server does not have what the step is about: why.
    NotOffered(&'static str),
    /// Another variant is about this.
    NotHere,
}

/// What a step returns: what happened, or why it failed.
pub(crate) type StepResult = Result<Done, String>;

/// A step, and the row of the table.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Walk<'_>) -> StepResult,
    /// Whether the first variant speaks for all.
    pub(crate) once: bool,
}

const fn each(name: &'static str, run: fn(&Walk<'_>) -> StepResult) -> Step {
    Step { name, run, once: false }
}

const fn once(name: &'static str, run: fn(&Walk<'_>) -> StepResult) -> Step {
    Step { name, run, once: true }
}

/// All steps, in their order.
pub(crate) const ALL: [Step; 32] = [
    each(
        "sign-in with PKCE and a secret of special characters",
        signing_in::sign_in,
    ),
    each("session and claims of the ID token", signing_in::session),
    each("user info from the ID token", signing_in::user_info_from_id_token),
    each(
        "user info from the userinfo endpoint",
        signing_in::user_info_from_endpoint,
    ),
    once("`prompt=none` with a session at the server", signing_in::silent),
    once(
        "`prompt=none` without one: `login_required`",
        signing_in::login_required,
    ),
    once("`max_age`: the password is asked for again", signing_in::max_age),
    each(
        "API, introspection of the access token for a JWT",
        tokens::api_with_exchanged_token,
    ),
    each("API, active JWT access token", tokens::api_with_checked_jwt),
    each("API, JWT access token without introspection", tokens::api_with_jwt),
    each("API, claims in headers", tokens::api_with_claims),
    each("API, token exchange for its audience", tokens::api_with_own_token),
    each(
        "token exchange: each of two APIs gets its own token alone",
        token_exchange::own_tokens,
    ),
    each(
        "token exchange: an API's token is refused for the other API",
        token_exchange::tokens_of_the_other,
    ),
    each(
        "token exchange: once for each token, audience and process",
        token_exchange::asked_once,
    ),
    each(
        "token exchange: an audience that is unknown or not permitted",
        token_exchange::other_audiences,
    ),
    each(
        "token exchange: refused after the end of the session",
        token_exchange::end_of_the_session,
    ),
    each(
        "introspection by a client of the filter's own",
        tokens::introspection_by_second_client,
    ),
    each(
        "introspection by the service's client",
        tokens::introspection_by_own_client,
    ),
    each("the filter caches introspection responses", tokens::caching),
    each("refresh, twice", tokens::refresh_twice),
    each("refresh, eight at once", tokens::refresh_at_once),
    each("revocation at sign-out", tokens::revocation),
    each("the API refuses a revoked access token", tokens::revoked_token_at_api),
    each("sign-out without ID token hint", ends::sign_out_without_hint),
    each("sign-out with ID token hint", ends::sign_out_with_hint),
    once("back-channel logout", ends::back_channel_logout),
    once("limit of the session at the server", ends::session_limit),
    once("new signing key: sign-in", operation::new_key),
    once(
        "new signing key: refresh of a session from before the change",
        operation::new_key_in_session,
    ),
    once("restart of the server during a session", operation::restart),
    once("rate limit of the server", operation::rate_limit),
];
