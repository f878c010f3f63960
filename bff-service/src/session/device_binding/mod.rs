//! Sessions that are bound to a device (W3C Device Bound Session Credentials): their cookies are valid only with a
//! proof, at most some minutes old, that the browser has a private key which it cannot export.
//!
//! The response that begins a session *offers* a registration. Until the *binding decision*, the session is
//! *provisional*: its cookies are short-lived and sealed as such. The service decides once whether the session is bound
//! to a key ([`decisions`]), and only the service knows the binding decision. After a registration, provisional cookies
//! need the proof as well: at the service from [`GRACE_SECONDS`] after it on. A gateway accepts a provisional access
//! token cookie without a proof until it expires. The session id stays the same, so a logout ends the session in each
//! state.
//!
//! * [`challenge`]: the challenges that the browser signs.
//! * [`decisions`]: the binding decisions; [`standing`]: what they mean for a request.
//! * [`key_cookie`]: the content of the device key cookie.
//! * [`proof`]: the content of the proof.
//! * [`instructions`]: what the service tells the browser about the session.

pub mod challenge;
pub mod decisions;
pub mod instructions;
pub mod key_cookie;
pub mod proof;
pub mod standing;

/// Time from the start of a session in which the browser can register its key, in seconds.
pub const REGISTRATION_SECONDS: u64 = 60;
/// Minimum time that the browser must have for a registration, so that the service offers it, in seconds.
pub const MIN_OFFER_SECONDS: u64 = 10;
/// Time from the start of a session to the end of provisional access token cookies, in seconds. Gateways do not know
/// binding decisions, so this time limits the use of copied cookies.
pub const PROVISIONAL_ACCESS_SECONDS: u64 = 120;
/// Time from the start of a session to the end of its other provisional cookies, in seconds; with an idle time, not that
/// of the CSRF cookie. A page on a device that sleeps for less than this time can continue the session.
pub const PROVISIONAL_SECONDS: u64 = 3600;
/// How long after a registration, or after a sign-in that replaced the session, the service accepts requests with
/// provisional cookies and no proof, in seconds: the browser may have sent them before it got the new cookies.
pub const GRACE_SECONDS: u64 = 30;
/// Maximum age of a fresh proof, in seconds: a browser that has no proof gets one and repeats its request in this time.
pub const FRESH_PROOF_SECONDS: u64 = 30;
/// How long before the expiry of a proof the browser deletes it, in seconds.
pub const PROOF_MARGIN_SECONDS: u64 = 15;
/// How long after its registration the same registration is accepted again, in seconds, unless
/// `session.refresh_replay_seconds` is shorter: a browser repeats a request whose connection breaks.
pub const REPETITION_SECONDS: u64 = 10;
/// How much longer a challenge for a proof is valid than a proof, in seconds.
pub const CHALLENGE_EXTRA_SECONDS: u64 = 300;
