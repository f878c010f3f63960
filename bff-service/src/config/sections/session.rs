//! `[session]`: the lifetimes of sessions and logins, and whether sessions are bound to devices.

use serde::Deserialize;

use super::field::{FieldType, Kind};

section! {
    /// The lifetimes of sessions and logins, and whether sessions are bound to devices.
    pub struct Session at "session." {
        /// Maximum time from sign-in to the end of a session, in seconds. If unset, the service sets no such limit.
        pub max_lifetime_seconds: Option<u64> = None, 1..=31_622_400;
        /// Maximum time without activity of the user until a session ends, in seconds. The page reports activity with
        /// `POST /touch`, which the client package does automatically. A refresh does not count as activity. If unset, the
        /// service sets no such limit.
        pub max_idle_seconds: Option<u64> = None, 1..=31_622_400;
        /// Maximum duration of a login, in seconds.
        pub login_seconds: u64 = 600, 1..=86_400;
        /// How long later callers with the same refresh token receive the result of a successful refresh, in seconds. The
        /// same applies to callers that complete the same login again. If the authorization server does not rotate refresh
        /// tokens, the time after a refresh is at most 2 seconds. If the refresh token was rotated and no caller has received
        /// the result, the service caches the result for up to an hour, unless the value is `0`.
        pub refresh_replay_seconds: u64 = 30, 0..=600;
        /// Maximum number of results of refreshes and logins that a replica caches in its memory for later callers.
        pub refresh_replay_entries: usize = 10_000, 1..=10_000_000;
        /// How long the service remembers that a session was ended, in seconds. Set at least the lifetime of the
        /// session cookies.
        pub ended_seconds: u64 = 86_400, 60..=31_622_400;
        /// Maximum number of entries in the list of ended sessions. An entry ends one session, all sessions of a user,
        /// or all that belong to one session at the authorization server. Front-channel logout adds an entry only if
        /// the list is less than half full.
        pub ended_entries: usize = 10_000, 1..=10_000;
        /// Whether the service binds new sessions to a key of the device (Device Bound Session Credentials): copied cookies of
        /// such a session become useless after minutes. This takes effect only in browsers that support it, and only for
        /// sessions with a refresh token.
        pub device_binding: DeviceBinding = DeviceBinding::default();
        /// How long a proof of the device's key is valid, in seconds: the time after which copied cookies of a bound session
        /// are useless. `docs/SECURITY.md` has the exceptions.
        pub device_proof_seconds: u64 = 600, 300..=600;
    }
}

/// Whether the service binds sessions to a key of the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum DeviceBinding {
    /// New sessions are not bound.
    #[default]
    Off,
    /// The service offers to bind new sessions. A browser without support ignores the offer.
    WhereSupported,
}

impl FieldType for DeviceBinding {
    const KIND: Kind = Kind::String;
}
