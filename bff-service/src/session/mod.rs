//! A session lives in the browser's cookies and nowhere else; this module reads and writes them.
//!
//! Four cookies make a session: access token, refresh token, ID token, CSRF value. Each is sealed for its own purpose
//! and carries the id of the session, so that none can be swapped for another, nor for one of another session. A
//! fifth, the login cookie, holds the logins that are under way; a sixth those of the navigation variant.
//!
//! * [`request_cookies`]: what a request brought, opened.
//! * [`set_cookies`]: the `Set-Cookie` lines of a response.
//! * [`other_shapes`]: what an earlier configuration, or a sibling domain, may have left beside them.
//! * [`cookie_keys`]: the keys that they are sealed with.
//! * [`live`]: whether these cookies make a session, and which.
//! * [`tokens`]: a session's tokens, written into its cookies.
//! * [`fit`]: whether they are not too long for that.
//! * [`pending_logins`]: the content of the login cookie.
//! * [`refresh_store`]: how concurrent refreshes become one, [`in_process_refresh_store`] in one process and
//!   [`redis_refresh_store`] across several, by these [scripts](redis_refresh_scripts).
//! * [`ended_sessions`], [`logout_tokens`]: which sessions are over, and by what; [`shared`]: how replicas share that.
//! * [`logout_states`]: the browser's way back from signing out.
//! * [`redis`]: the connection to Redis.

pub mod cookies;
pub mod current_session;
pub mod ended;
pub mod fit;
pub mod logout_state;
pub mod pending_logins;
pub mod redis;
pub mod refresh;
pub mod writer;

use bff_core::names::CookieNames;
use bff_core::seal::Purpose;

use self::cookies::keys::LiveSealer;

/// Everything fixed about the cookies.
#[derive(Clone)]
pub struct CookieSettings {
    /// Seals and opens their values.
    pub sealer: LiveSealer,
    /// Their names.
    pub names: CookieNames,
    /// `Domain`, where the cookies are to reach more than one host.
    pub domain: Option<String>,
    /// `Path` of the cookies that only this service's endpoints need: refresh token and ID token.
    pub narrow_path: String,
    /// The prefix of this service's endpoints.
    pub endpoints_prefix: String,
    /// Paths that earlier configurations, or another implementation, gave to those two.
    pub former_paths: Vec<String>,
    /// How many parts a long value may be split into.
    pub max_parts: usize,
}

impl CookieSettings {
    /// The name of the cookie for this purpose.
    pub fn name(&self, purpose: Purpose) -> &str {
        self.names.of(purpose)
    }

    /// In which shape a session is written: `Domain` and the narrow `Path`.
    pub fn shape(&self) -> String {
        format!("{};{}", self.domain.as_deref().unwrap_or_default(), self.narrow_path)
    }

    /// The path of the cookie for this purpose.
    pub fn path(&self, purpose: Purpose) -> &str {
        match purpose {
            Purpose::RefreshToken | Purpose::IdToken => &self.narrow_path,
            Purpose::Login | Purpose::NavigationLogin | Purpose::AccessToken | Purpose::Csrf => "/",
        }
    }
}
