//! `POST /touch`: the user is active, so the idle time of the session begins again.
//!
//! Only the CSRF cookie changes. If there is an idle time, a refresh leaves that cookie as it is, unless its
//! session, key, shape, binding or end has changed. So neither a touch nor a refresh can undo the other, in whatever order the
//! responses reach the browser.

use super::session::ends;
use crate::api::call::Call;
use crate::api::checks::{check_csrf, require_session};
use crate::api::error::{ApiError, Reason};
use crate::api::success::Success;
use crate::error_code::ErrorCode;
use crate::session::cookies::response::SetCookies;
use crate::session::device_binding::standing::Standing;
use crate::session::writer::SessionWriter;

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let call = &call;
    let application = &call.worker.application;
    let (session, standing) = require_session(call).await?;
    let csrf = check_csrf(
        call.headers,
        application.config.csrf_header(),
        call.cookies.settings(),
        &session,
    )?;
    if !session.is_signed_in() {
        let failure = ApiError::new(ErrorCode::SessionExpired, "no token is left that the session could use");
        return Err(failure.because(Reason::SessionExpired));
    }
    let Standing::Live(binding) = standing else {
        // The session was bound or replaced, and the browser gets its cookies with another response.
        return Ok(Success::json(ends(call, session.ends_at(), session.idle_ends_at)));
    };
    let mut set_cookies = SetCookies::new(&call.cookies);
    let mut writer = SessionWriter::new(
        &mut set_cookies,
        session.identity(binding, call.now),
        application.lifetimes,
        call.now,
    );
    let idle_ends_at = writer.write_active(csrf)?;
    let body = ends(call, session.ends_at(), idle_ends_at);
    Ok(Success::json(body).with_cookies(set_cookies.into_lines()))
}
