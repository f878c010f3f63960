//! The fixed properties of an application's cookies: names, paths and sealer.

use bff_core::cookie::name_prefixes::CookieNames;
use bff_core::cookie::purpose::Purpose;

use super::keys::RotatingSealer;

/// The cookie settings.
#[derive(Clone)]
pub struct CookieSettings {
    /// The sealer of the cookie values.
    pub sealer: RotatingSealer,
    /// The cookie names.
    pub names: CookieNames,
    /// `Domain`, if configured.
    pub domain: Option<String>,
    /// `Path` of the cookies that only the service's endpoints need: refresh token, ID token and device key.
    pub narrow_path: String,
    /// The prefix of the service's endpoints.
    pub endpoints_prefix: String,
    /// Former paths of the cookies with the narrow `Path`, of earlier configurations or another implementation.
    pub former_paths: Vec<String>,
    /// Maximum number of parts of a long value.
    pub max_parts: usize,
    /// Whether the application binds new sessions to devices.
    pub binds_sessions: bool,
}

impl CookieSettings {
    /// The name of the cookie for this purpose.
    pub fn name(&self, purpose: Purpose) -> &str {
        self.names.of(purpose)
    }

    /// The current shape of a session's cookies: `Domain` and the narrow `Path`.
    pub fn shape(&self) -> String {
        format!("{};{}", self.domain.as_deref().unwrap_or_default(), self.narrow_path)
    }

    /// The attributes of the cookie for this purpose, without `SameSite` and the cookie's lifetime.
    pub fn attributes(&self, purpose: Purpose) -> String {
        attributes(self.path(purpose), self.domain.as_deref())
    }

    /// The path of the cookie for this purpose.
    pub fn path(&self, purpose: Purpose) -> &str {
        match purpose.is_for_endpoints_alone() {
            true => &self.narrow_path,
            false => "/",
        }
    }
}

/// The attributes of a cookie with this `Path` and `Domain`, without `SameSite` and the cookie's lifetime.
pub(super) fn attributes(path: &str, domain: Option<&str>) -> String {
    let domain = domain.map(|domain| format!("; Domain={domain}")).unwrap_or_default();
    format!("Path={path}{domain}; Secure; HttpOnly")
}
