//! Black-box tests of the HTTP API: the real service on a free port, over real connections, with an authorization server
//! that misbehaves on request.
#![allow(
    unreachable_pub,
    reason = "the support modules are a small library of this one binary"
)]

mod applications;
mod backchannel_logout;
mod callback_twice;
mod cookies;
mod cors;
mod device_binding;
mod device_provisional;
mod device_registration;
mod device_site;
mod end_sessions;
mod ended_sessions;
mod frontchannel_logout;
mod granted_scope;
mod idle;
mod jarm;
mod late_exchanges;
mod lifetimes;
mod login;
mod logout;
mod logout_everywhere;
mod navigation;
mod navigation_callback;
mod navigation_requests;
mod openapi;
mod origin_and_csrf;
mod other_shapes;
mod outages;
mod page_load;
mod pending_logins;
mod planted_cookies;
mod refresh;
mod refused_grants;
mod relying_party;
mod request_bodies;
mod requests;
mod rotation;
mod sealed_kinds;
mod secrecy;
mod step_up;
mod support;
mod too_long_tokens;
mod transport;
mod user_info;
