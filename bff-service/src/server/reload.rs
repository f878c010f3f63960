//! Reloads the configuration while the service runs.
//!
//! Every `server.reread_seconds` seconds, unless that is 0, and immediately on SIGHUP, the service reads and validates the
//! configuration, with the files of secrets, keys and rules that it names. It compares contents and not modification
//! times, because Kubernetes replaces the files of a volume through a symbolic link to their directory.
//! The service rejects an invalid configuration as a whole: the previous one stays in force, and the error is in the
//! log.
//!
//! [`live_settings`](crate::application::live_settings) are the settings that a reload changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::signals::Signals;
use crate::application::Application;
use crate::config::{Config, ConfigError, FieldError};

/// Reads the configuration.
pub type ReadConfig = Arc<dyn Fn() -> Result<Vec<Config>, ConfigError> + Send + Sync>;

/// Reloads the configuration and applies changes.
pub struct ConfigReloader {
    applications: Vec<Arc<Application>>,
    read_config: ReadConfig,
    /// The error of the last reload, which is logged once and not at every reload.
    last_error: Option<String>,
    has_reload_failed: Arc<AtomicBool>,
}

impl ConfigReloader {
    /// `read_config` reads the configurations of these applications. `has_reload_failed` is true while the
    /// configuration is invalid.
    pub fn new(
        applications: Vec<Arc<Application>>,
        read_config: ReadConfig,
        has_reload_failed: Arc<AtomicBool>,
    ) -> ConfigReloader {
        ConfigReloader {
            applications,
            read_config,
            last_error: None,
            has_reload_failed,
        }
    }

    /// Reloads the configuration at each interval and SIGHUP. Never returns.
    pub async fn run(mut self, every: Duration, mut signals: Signals) {
        loop {
            if every.is_zero() {
                signals.hangup().await;
            } else if tokio::time::timeout(every, signals.hangup()).await.is_ok() {
                log::info!("received SIGHUP: reloading the configuration");
                // After SIGHUP, log the error again.
                self.last_error = None;
            }
            let read_config = Arc::clone(&self.read_config);
            // Reading may block: a file may be on a network file system.
            match tokio::task::spawn_blocking(move || read_config()).await {
                Ok(read) => self.take(read),
                Err(error) => log::error!("configuration reload failed: {error}"),
            }
        }
    }

    fn take(&mut self, read: Result<Vec<Config>, ConfigError>) {
        match read.and_then(|configs| self.match_applications(configs)) {
            Ok(configs) => {
                if self.last_error.take().is_some() {
                    log::info!("reloaded the configuration, which is valid again");
                }
                self.has_reload_failed.store(false, Relaxed);
                for (application, config) in self.applications.iter().zip(&configs) {
                    for change in application.live.take(config) {
                        let name = config
                            .name()
                            .map_or_else(String::new, |name| format!("application `{name}`: "));
                        log::info!("{name}{change}");
                    }
                }
            }
            Err(error) => {
                let message = error.to_string();
                if self.last_error.as_ref() != Some(&message) {
                    log::error!("configuration reload failed, so the previous configuration stays in use:\n{message}");
                    self.last_error = Some(message);
                }
                self.has_reload_failed.store(true, Relaxed);
            }
        }
    }

    /// Returns the configurations in the order of the applications.
    fn match_applications(&self, mut configs: Vec<Config>) -> Result<Vec<Config>, ConfigError> {
        let mut matched = Vec::new();
        for application in &self.applications {
            let name = application.config.name();
            let index = configs.iter().position(|config| config.name() == name);
            let index = index.ok_or_else(|| {
                let what = match name {
                    Some(name) => format!("`{name}` was removed: restart the service"),
                    None => "the table was added: restart the service".to_owned(),
                };
                FieldError::new("applications", what)
            })?;
            matched.push(configs.swap_remove(index));
        }
        Ok(matched)
    }
}
