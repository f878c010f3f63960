//! Sessions, which are stored in the cookies of the browser only. This module reads and writes them.
//!
//! A session has up to four cookies: access token, refresh token, ID token and CSRF value. Each is sealed for its own
//! purpose and contains the session id, so that none can replace another, or one of another session. A session that is
//! bound to a device has two more: the proof that the browser has the device's key, and the public key. Two further
//! cookies contain the pending logins: of pages, and of the navigation variant.
//!
//! * [`cookies`]: names, sealing and shapes of cookies.
//! * [`identity`]: the identity and the lifetime of a session.
//! * [`current_session`]: the session of a request's cookies.
//! * [`refresh_cookie`], [`pending_logins`]: the content of the refresh token cookie and the login cookies.
//! * [`tokens`]: the tokens of a session; [`writer`]: writes them to its cookies; [`fit`]: whether they fit.
//! * [`refresh`]: combines concurrent refreshes, and concurrent exchanges of one code.
//! * [`ended`]: ended sessions; [`one_time_ids`]: ids that are valid for one use.
//! * [`device_binding`]: sessions that are bound to a device.
//! * [`logout_state`]: the `state` of logout requests.
//! * [`redis`]: the connection to Redis.

pub mod cookies;
pub mod current_session;
pub mod device_binding;
pub mod ended;
pub mod fit;
pub mod identity;
pub mod logout_state;
pub mod one_time_ids;
pub mod pending_logins;
pub mod redis;
pub mod refresh;
pub mod refresh_cookie;
pub mod tokens;
pub mod writer;
