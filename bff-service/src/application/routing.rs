//! The requests that belong to an application.

use crate::config::{Config, is_at_or_below, is_host};

/// The hosts and the path of one application.
#[derive(Debug)]
pub struct Routing {
    hosts: Vec<String>,
    endpoints_prefix: String,
    /// Whether this is the only application, in a configuration without `[applications]`.
    is_only_application: bool,
}

impl Routing {
    /// By `hosts` and `endpoints_prefix` of the configuration.
    pub fn new(config: &Config) -> Routing {
        Routing {
            hosts: config.hosts.clone(),
            endpoints_prefix: config.endpoints_prefix.clone(),
            is_only_application: config.is_only_application(),
        }
    }

    /// Whether a request with this `Host` and path belongs to the application.
    pub fn is_for(&self, host: &str, path: &str) -> bool {
        if !is_at_or_below(path, &self.endpoints_prefix) && !self.is_only_application {
            return false;
        }
        self.hosts.is_empty() || self.hosts.iter().any(|configured| is_host(host, configured))
    }

    /// Whether the application names its hosts. It then takes precedence over one for any host.
    pub fn has_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }
}
