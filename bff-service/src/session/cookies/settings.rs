//! What is fixed about an application's cookies: names, paths, and by what they are sealed.

use bff_core::cookie::names::CookieNames;
use bff_core::cookie::purpose::Purpose;

use super::keys::RotatingSealer;

/// Everything fixed about the cookies.
#[derive(Clone)]
pub struct CookieSettings {
    /// Seals and opens their values.
    pub sealer: RotatingSealer,
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
        match purpose.is_for_endpoints_alone() {
            true => &self.narrow_path,
            false => "/",
        }
    }
}
