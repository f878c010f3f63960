//! `[server]`: where the service listens.

section! {
    /// Where the service listens.
    pub struct Server at "server." {
        /// Address of the API.
        pub(in crate::config) address: String = "127.0.0.1".to_owned();
        /// Port of the API. 0 takes a free one.
        pub(in crate::config) port: u16 = 3003;
        /// Address of the admin listener: health, readiness, metrics.
        pub(in crate::config) admin_address: String = "127.0.0.1".to_owned();
        /// Port of the admin listener. 0 takes a free one.
        pub(in crate::config) admin_port: u16 = 3005;
        /// Worker threads. Default: one for each core.
        pub workers: Option<usize> = None, 1..=1024;
        /// After SIGTERM, how long the service goes on as before, only not ready, until it lets the last requests
        /// finish and ends, in seconds: what the proxy in front needs to notice.
        pub drain_seconds: u64 = 0, 0..=3600;
        /// How often cookie keys, client secrets and the rules of `/authorize` are read anew, in seconds; 0: only on
        /// SIGHUP.
        pub reread_seconds: u64 = 5, 0..=3600;
    }
}
