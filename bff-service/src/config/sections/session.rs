//! `[session]`: how long things last.

section! {
    /// How long things last.
    pub struct Session at "session." {
        /// A session ends this long after signing in, in seconds. Default: when the authorization server says so.
        pub max_lifetime_seconds: Option<u64> = None, 1..=31_622_400;
        /// A session ends this long after its last refresh, in seconds. Default: when the authorization server says so.
        pub max_idle_seconds: Option<u64> = None, 1..=31_622_400;
        /// How long a login may take, in seconds.
        pub login_seconds: u64 = 600, 1..=86_400;
        /// How long the outcome of a refresh is handed to late callers with the same refresh token, in seconds.
        pub refresh_replay_seconds: u64 = 30, 0..=600;
        /// How many refresh outcomes are remembered at most.
        pub refresh_replay_entries: usize = 10_000, 1..=10_000_000;
        /// How long it is remembered that a session was ended before its time, in seconds: as long as its cookies could
        /// live.
        pub ended_seconds: u64 = 86_400, 60..=31_622_400;
        /// How many ended sessions are remembered at most.
        pub ended_entries: usize = 10_000, 1..=10_000;
    }
}
