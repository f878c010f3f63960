//! The configuration is read again while the service runs.
//!
//! Every few seconds, and on SIGHUP at once, the configuration is read anew, with the files that it names, and checked as
//! at the start. The contents are compared and no times, since Kubernetes exchanges the files of a volume by a symbolic
//! link to their folder. What cannot be used is refused as a whole: everything stays as it was, and the log says why.
//!
//! What is taken over stands in [`live_settings`](crate::application::live_settings).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::signals::Signals;
use crate::application::Application;
use crate::config::{Config, ConfigError, Fault};

/// How the configuration is read: as it was at the start.
pub type Reread = Arc<dyn Fn() -> Result<Vec<Config>, ConfigError> + Send + Sync>;

/// Reads anew and takes what is new.
pub struct Rotation {
    applications: Vec<Arc<Application>>,
    reread: Reread,
    /// What was wrong the last time. Told once, and not every few seconds.
    refused: Option<String>,
    is_refused: Arc<AtomicBool>,
}

impl Rotation {
    /// Of these applications, whose configurations `reread` reads. `is_refused` is true as long as what is there cannot be
    /// used.
    pub fn new(applications: Vec<Arc<Application>>, reread: Reread, is_refused: Arc<AtomicBool>) -> Rotation {
        Rotation {
            applications,
            reread,
            refused: None,
            is_refused,
        }
    }

    /// Never ends.
    pub async fn keep_up(mut self, every: Duration, mut signals: Signals) {
        loop {
            if every.is_zero() {
                signals.hangup().await;
            } else if tokio::time::timeout(every, signals.hangup()).await.is_ok() {
                log::info!("SIGHUP: the configuration is read anew");
                // Whoever asks is told, again if need be.
                self.refused = None;
            }
            let reread = Arc::clone(&self.reread);
            // A file may be on a network.
            match tokio::task::spawn_blocking(move || reread()).await {
                Ok(read) => self.take(read),
                Err(error) => log::error!("the configuration could not be read anew: {error}"),
            }
        }
    }

    fn take(&mut self, read: Result<Vec<Config>, ConfigError>) {
        match read.and_then(|configs| self.matched(configs)) {
            Ok(configs) => {
                if self.refused.take().is_some() {
                    log::info!("the configuration can be used again");
                }
                self.is_refused.store(false, Relaxed);
                for (application, config) in self.applications.iter().zip(&configs) {
                    for news in application.live.take(config) {
                        let name = config.name().map_or_else(String::new, |name| format!("{name}: "));
                        log::info!("{name}{news}");
                    }
                }
            }
            Err(error) => {
                let text = error.to_string();
                if self.refused.as_ref() != Some(&text) {
                    log::error!(
                        "the configuration that was read anew is refused, and the one from before stays in force\n{text}"
                    );
                    self.refused = Some(text);
                }
                self.is_refused.store(true, Relaxed);
            }
        }
    }

    /// The configurations in the order of the applications.
    fn matched(&self, mut configs: Vec<Config>) -> Result<Vec<Config>, ConfigError> {
        let mut matched = Vec::new();
        for application in &self.applications {
            let name = application.config.name();
            let index = configs.iter().position(|config| config.name() == name);
            let index = index.ok_or_else(|| {
                let what = format!("`{}` is gone, which takes a restart", name.unwrap_or_default());
                Fault::new("applications", what)
            })?;
            matched.push(configs.swap_remove(index));
        }
        Ok(matched)
    }
}
