//! The settings that the service reloads while it runs: the cookie keys, the client secret, and the rules of
//! `/authorize`. Every other change requires a restart, except that of the content of the client's certificate: when a
//! handshake needs the certificate, [`ClientCertificate`](crate::http_client::client_certificate::ClientCertificate)
//! reloads it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::config::{AuthorizeRules, Config};
use crate::oauth::client_secret::ClientSecret;
use crate::session::cookies::keys::CookieKeys;

/// The settings in force, for all workers of an application.
pub struct LiveSettings {
    /// The cookie keys.
    pub cookie_keys: Arc<CookieKeys>,
    client_secret: ClientSecret,
    authorize_rules: ArcSwapOption<AuthorizeRules>,
}

impl LiveSettings {
    /// Starts with the settings of `config`. The OAuth client reads its secret from `client_secret`.
    pub fn new(config: &Config, client_secret: &ClientSecret) -> LiveSettings {
        LiveSettings {
            cookie_keys: CookieKeys::new(config),
            client_secret: client_secret.clone(),
            authorize_rules: ArcSwapOption::new(config.authorize_rules().cloned().map(Arc::new)),
        }
    }

    /// The rules of `/authorize`; `None` if it is disabled.
    pub fn authorize_rules(&self) -> Option<Arc<AuthorizeRules>> {
        self.authorize_rules.load_full()
    }

    /// Applies the differences in a reloaded configuration. Returns log messages.
    pub fn take(&self, config: &Config) -> Vec<String> {
        let mut changes: Vec<String> = self
            .cookie_keys
            .replace(config, config.key_ring())
            .into_iter()
            .collect();
        if self.client_secret.replace(config.client_secret()) {
            changes.push("reloaded client secret".to_owned());
        }
        // Whether `/authorize` is enabled is fixed at startup, like its route.
        if let (Some(new), Some(old)) = (config.authorize_rules(), self.authorize_rules())
            && *new != *old
        {
            self.authorize_rules.store(Some(Arc::new(new.clone())));
            changes.push("reloaded rules of /authorize".to_owned());
        }
        changes
    }
}
