//! Sessions that are bound to a device (W3C Device Bound Session Credentials): their cookies count only with a proof,
//! some minutes old at most, that the browser has a private key which it cannot export.
//!
//! The response that begins a session *offers* a registration. Until the browser has decided, the session is
//! *provisional*: its cookies are short-lived and sealed as such. Whether the session is bound to a key is decided once
//! ([`decisions`]), and only the service knows the decision. After a registration, provisional cookies need the proof too: at
//! the service after [`GRACE_SECONDS`], at a gateway when the access token cookie expires. The session id stays the same, so a
//! logout ends the session in each state.
//!
//! * [`challenge`]: the challenges that the browser signs.
//! * [`decisions`]: whether a session is bound; [`standing`]: what that means for a request.
//! * [`key_cookie`]: the content of the device key cookie.
//! * [`instructions`]: what the browser learns of the session.

pub mod challenge;
pub mod decisions;
pub mod instructions;
pub mod key_cookie;
pub mod standing;

/// Time from the start of a session in which the browser can register its key, in seconds.
pub const REGISTRATION_SECONDS: u64 = 60;
/// A registration is offered only if the browser has at least this time for it, in seconds.
pub const MIN_OFFER_SECONDS: u64 = 10;
/// Time from the start of a session to the end of provisional access token cookies, in seconds. Gateways do not know
/// decisions, so this bounds the use of a copy.
pub const PROVISIONAL_ACCESS_SECONDS: u64 = 120;
/// Time from the start of a session to the end of its other provisional cookies, in seconds: a page that has slept
/// continues within this time.
pub const PROVISIONAL_SECONDS: u64 = 3600;
/// How long after a registration the service still answers requests with provisional cookies and no proof, in seconds: they
/// may have been in flight.
pub const GRACE_SECONDS: u64 = 30;
/// How much earlier the browser forgets a proof than it expires, in seconds.
pub const PROOF_MARGIN_SECONDS: u64 = 15;
/// How long after its registration the same registration is accepted again, in seconds: a browser repeats a request whose
/// connection breaks.
pub const REPETITION_SECONDS: u64 = 10;
/// How long a challenge outlives the proof with which it was sent, in seconds.
pub const CHALLENGE_EXTRA_SECONDS: u64 = 300;
