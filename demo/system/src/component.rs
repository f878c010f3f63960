//! The processes that a system consists of.

use std::fmt;

/// One process of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// The demo's authorization server (Node.js).
    AuthorizationServer,
    /// The business API behind the filter.
    Api,
    /// Serves the single page application.
    WebHost,
    /// Envoy, with the filter in it.
    Envoy,
    /// The service.
    Bff,
    /// A second replica of the service.
    SecondBff,
    /// The store that the replicas share.
    Redis,
}

impl Component {
    /// All components in the order in which they start: the service reaches the authorization server through Envoy, so
    /// it is ready only after both.
    pub const ALL: [Component; 7] = [
        Component::AuthorizationServer,
        Component::Api,
        Component::WebHost,
        Component::Redis,
        Component::Envoy,
        Component::Bff,
        Component::SecondBff,
    ];

    /// The name of the log file, without its extension.
    pub fn name(self) -> &'static str {
        match self {
            Component::AuthorizationServer => "authorization-server",
            Component::Api => "api",
            Component::WebHost => "web-host",
            Component::Envoy => "envoy",
            Component::Bff => "bff",
            Component::SecondBff => "bff-2",
            Component::Redis => "redis",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
