//! The endpoints, which run after the general checks.

pub(super) mod backchannel_logout;
pub(super) mod claims;
pub(super) mod device_proof;
pub(super) mod device_registration;
pub(super) mod frontchannel_logout;
pub(super) mod jwks;
pub(super) mod login_end;
mod login_exchange;
pub(super) mod login_start;
pub(super) mod logout;
pub(super) mod navigation;
pub(super) mod page_url;
pub(super) mod refresh;
mod refresh_exchange;
pub(super) mod session;
pub(super) mod touch;
pub(super) mod user_info;
