//! What may change while the service runs: the cookie keys, the client secret, and the rules of `/authorize`. All else in
//! the configuration takes a restart.
//!
//! The client's certificate is not in here: it is looked at when it is shown, by
//! [`ClientCertificate`](crate::http_client::client_certificate::ClientCertificate).

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::config::{AuthorizeRules, Config};
use crate::oauth::client_secret::ClientSecret;
use crate::session::cookies::keys::CookieKeys;

/// What is in force now, for all workers of an application.
pub struct LiveSettings {
    /// The keys that seal.
    pub cookie_keys: Arc<CookieKeys>,
    client_secret: ClientSecret,
    authorize_rules: ArcSwapOption<AuthorizeRules>,
}

impl LiveSettings {
    /// Begins with what the configuration says; `client_secret` is where the client looks for its secret.
    pub fn new(config: &Config, client_secret: &ClientSecret) -> LiveSettings {
        LiveSettings {
            cookie_keys: CookieKeys::new(config),
            client_secret: client_secret.clone(),
            authorize_rules: ArcSwapOption::new(config.authorize_rules().cloned().map(Arc::new)),
        }
    }

    /// The rules of `/authorize`; `None` where it is off.
    pub fn authorize_rules(&self) -> Option<Arc<AuthorizeRules>> {
        self.authorize_rules.load_full()
    }

    /// Takes over what is different in another reading of the configuration. What is said is for the log.
    pub fn take(&self, config: &Config) -> Vec<String> {
        let mut changes: Vec<String> = self
            .cookie_keys
            .exchange(config, config.key_ring())
            .into_iter()
            .collect();
        if self.client_secret.replace(config.client_secret()) {
            changes.push("reloaded client secret".to_owned());
        }
        // Whether there are any is settled at the start: the routes are.
        if let (Some(new), Some(old)) = (config.authorize_rules(), self.authorize_rules())
            && *new != *old
        {
            self.authorize_rules.store(Some(Arc::new(new.clone())));
            changes.push("reloaded rules of /authorize".to_owned());
        }
        changes
    }
}
