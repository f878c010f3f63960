//! A session lives in the browser's cookies and nowhere else; this module reads and writes them.
//!
//! Four cookies make a session: access token, refresh token, ID token, CSRF value. Each is sealed for its own purpose
//! and carries the id of the session, so that none can be swapped for another, nor for one of another session. A
//! fifth, the login cookie, holds the logins that are under way; a sixth those of the navigation variant.
//!
//! * [`cookies`]: the cookies as such: names, seals, shapes.
//! * [`identity`]: which session, and how long it lasts.
//! * [`current_session`]: whether a request's cookies make a session, and which.
//! * [`refresh_cookie`], [`pending_logins`]: what the refresh token's cookie and the login cookie hold.
//! * [`writer`]: a session's tokens, written into its cookies; [`fit`]: whether they are not too long for that.
//! * [`refresh`]: how concurrent refreshes become one.
//! * [`ended`]: which sessions are over although their cookies are not.
//! * [`logout_state`]: the browser's way back from signing out.
//! * [`redis`]: the connection to Redis.

pub mod cookies;
pub mod current_session;
pub mod ended;
pub mod fit;
pub mod identity;
pub mod logout_state;
pub mod pending_logins;
pub mod redis;
pub mod refresh;
pub mod refresh_cookie;
pub mod writer;
