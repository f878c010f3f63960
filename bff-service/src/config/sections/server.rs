//! `[server]`: the listeners and the process.

section! {
    /// The listeners and the process.
    pub struct Server at "server." {
        /// Address that the endpoints of the service listen on.
        pub(in crate::config) address: String = "127.0.0.1".to_owned();
        /// Port that the endpoints of the service listen on. `0`: any free port.
        pub(in crate::config) port: u16 = 3003;
        /// Address of the admin listener (health checks, readiness, metrics, OpenAPI description, list of ended sessions,
        /// `/end-sessions`, `/authorize`).
        pub(in crate::config) admin_address: String = "127.0.0.1".to_owned();
        /// Port of the admin listener. `0`: any free port.
        pub(in crate::config) admin_port: u16 = 3005;
        /// Number of worker threads for the endpoints of the service, and as many for the admin listener if `/authorize` is
        /// enabled. If unset, one for each core.
        pub workers: Option<usize> = None, 1..=512;
        /// How long the service continues to serve requests after SIGTERM, in seconds, while `/readyz` reports that the
        /// service is shutting down: the time that the proxy in front of the service needs to notice. The service then
        /// finishes the requests in progress, for at most 15 seconds, and the token requests, and exits.
        pub drain_seconds: u64 = 0, 0..=3600;
        /// How often the service reloads cookie keys, client secrets and the rules of `/authorize`, in seconds. `0`:
        /// only on SIGHUP.
        pub reread_seconds: u64 = 5, 0..=3600;
    }
}
