//! The cookie stage's section.

use serde::Deserialize;

use super::ConfigError;
use super::source::Source;
use crate::keys::{KeyRing, KeyWarning};
use crate::names::{CookieNames, Hardening, csrf_header_name};
use crate::origin::TrustedOrigins;
use crate::seal::Sealer;

/// The cookie stage.
#[derive(Clone, Debug)]
pub struct BffToken {
    /// Opens the cookies.
    pub sealer: Sealer,
    /// What they are called.
    pub names: CookieNames,
    /// Who may call.
    pub origins: TrustedOrigins,
    /// The CSRF header's name, in lower case.
    pub csrf_header: String,
    /// Whether unsafe methods need the CSRF header.
    pub verify_csrf: bool,
    /// Whether safe methods need it too.
    pub require_header: bool,
    /// Whether a request with a bearer token and none of our cookies skips this stage.
    pub allow_tokens: bool,
    /// Whether a navigation from a sibling domain may get through.
    pub allow_navigation: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CookiePaths {
    #[default]
    Narrow,
    Root,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBffToken {
    cookie_name_prefix: String,
    encryption_key: Source,
    trusted_web_origins: Vec<String>,
    #[serde(default = "yes")]
    verify_csrf: bool,
    #[serde(default)]
    require_header: bool,
    #[serde(default)]
    allow_tokens: bool,
    #[serde(default)]
    allow_navigation: bool,
    #[serde(default)]
    accept_v1_cookies: bool,
    #[serde(default)]
    cookie_hardening: Hardening,
    /// As in the service's configuration: it decides some of the names.
    #[serde(default)]
    cookie_paths: CookiePaths,
    /// As in the service's configuration: it decides some of the names.
    cookie_domain: Option<String>,
    #[serde(default)]
    demo: bool,
}

impl RawBffToken {
    pub(super) fn check(
        self,
        env: &impl Fn(&str) -> Option<String>,
        warnings: &mut Vec<KeyWarning>,
    ) -> Result<BffToken, ConfigError> {
        let keys = self.encryption_key.read("bff_token.encryption_key", env)?;
        let (ring, key_warnings) =
            KeyRing::parse(&keys, self.demo).map_err(|error| ConfigError::new("bff_token.encryption_key", error))?;
        warnings.extend(key_warnings);
        let root_paths = self.cookie_paths == CookiePaths::Root;
        let names = CookieNames::new(
            &self.cookie_name_prefix,
            self.cookie_hardening,
            root_paths,
            self.cookie_domain.is_some(),
        )
        .map_err(|error| ConfigError::new("bff_token.cookie_name_prefix", error))?;
        let origins = TrustedOrigins::parse(&self.trusted_web_origins, self.demo)
            .map_err(|error| ConfigError::new("bff_token.trusted_web_origins", error))?;
        if self.require_header && !self.verify_csrf {
            return Err(ConfigError::new(
                "bff_token.require_header",
                "it needs `verify_csrf`: leave one of the two out",
            ));
        }
        Ok(BffToken {
            sealer: Sealer::new(ring, &self.cookie_name_prefix, self.accept_v1_cookies),
            names,
            origins,
            csrf_header: csrf_header_name(&self.cookie_name_prefix),
            verify_csrf: self.verify_csrf,
            require_header: self.require_header,
            allow_tokens: self.allow_tokens,
            allow_navigation: self.allow_navigation,
        })
    }
}

fn yes() -> bool {
    true
}
