//! The warnings, and what they say.

use std::fmt;

use crate::crypto::key_ring::KeyId;

/// A warning to the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Cookies were sealed with a key that is not in the ring.
    UnknownKey {
        /// Fingerprint of one such key. If most of these cookies have the same key, it is that key.
        key: KeyId,
        /// Number of requests with such a cookie since the last warning.
        requests: u64,
        /// Fingerprints of the keys in the ring.
        ring: Vec<KeyId>,
    },
    /// The clocks differ: tokens that introspection calls active, or that exchanges returned, have expired by the local
    /// clock.
    ClocksDiffer {
        /// Largest time since the `exp` of such a token, in seconds.
        seconds: u64,
    },
    /// The authorization server does not accept most access tokens from the service's own cookies, or they have expired by
    /// the local clock.
    SessionTokensInactive {
        /// Number of requests that were refused for this reason.
        inactive: u64,
        /// Number of requests with a session cookie in the same time.
        requests: u64,
        /// Client identifier of the client that introspects and exchanges tokens.
        client_id: String,
    },
    /// Introspection responses about active tokens forbid caching.
    NotCached {
        /// Number of such responses since the last warning.
        responses: u64,
    },
    /// Requests had an Origin that is not trusted.
    UntrustedOrigin {
        /// One such Origin, fit for a log. If most of these requests have the same Origin, it is that Origin.
        origin: String,
        /// Number of such requests since the last warning.
        requests: u64,
    },
    /// Polls of the list of ended sessions failed.
    EndedSessionsFailed {
        /// Number of polls that failed since the last warning.
        failures: u64,
        /// HTTP status of the last response; `None` if there was none.
        status: Option<u16>,
        /// The Envoy cluster to which the polls are sent.
        cluster: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { key, requests, ring } => {
                write!(
                    f,
                    "requests with a cookie sealed with a key that is not in the key ring: {requests}, such as with key {key} (the \
                     ring has"
                )?;
                let mut separator = " ";
                for known in ring {
                    write!(f, "{separator}{known}")?;
                    separator = ", ";
                }
                f.write_str("): configure the same keys (bff_token.encryption_key) for the service and the filter")
            }
            Self::ClocksDiffer { seconds } => write!(
                f,
                "the authorization server calls an access token active, or has issued one, whose `exp` passed {seconds} seconds \
                 ago by this clock: compare the clocks of this machine and of the authorization server"
            ),
            Self::SessionTokensInactive {
                inactive,
                requests,
                client_id,
            } => write!(
                f,
                "{inactive} of {requests} requests with a session cookie were refused, since the authorization server does not accept \
                 their access tokens: check that the client `{client_id}` may introspect, or exchange, access tokens issued to the service's client"
            ),
            Self::NotCached { responses } => write!(
                f,
                "{responses} introspection responses were not cached, because of their Cache-Control: as long as the authorization \
                 server sends it, every request to the API causes an introspection: let that server omit it, or set \
                 phantom_token.ignore_cache_control and a token_cache_seconds for which a revoked token may still be accepted"
            ),
            Self::UntrustedOrigin { origin, requests } => write!(
                f,
                "{requests} requests were refused because their Origin is not trusted, such as `{origin}`: if it is the origin of \
                 your page, add it to bff_token.trusted_web_origins, to the service and to the proxy's CORS policy"
            ),
            Self::EndedSessionsFailed {
                failures,
                status,
                cluster,
            } => {
                write!(f, "{failures} polls of the list of ended sessions failed: ")?;
                match status {
                    Some(status) => write!(f, "HTTP {status}")?,
                    None => f.write_str("no response")?,
                }
                write!(
                    f,
                    "; until one succeeds, sessions that ended after the last successful one are accepted until their access \
                     tokens expire or become inactive: check that the cluster `{cluster}` leads to the admin listener of the service"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_say_what_to_do() {
        let lines = [
            Notice::UnknownKey {
                key: KeyId([0x5b, 0xe7, 0xb5, 0xb2]),
                requests: 12,
                ring: vec![KeyId([0x0d, 0x1f, 0x6c, 0x41]), KeyId([1; 4])],
            }
            .to_string(),
            Notice::ClocksDiffer { seconds: 75 }.to_string(),
            Notice::SessionTokensInactive {
                inactive: 40,
                requests: 50,
                client_id: "gateway".to_owned(),
            }
            .to_string(),
            Notice::UntrustedOrigin {
                origin: "https://new.example.com".to_owned(),
                requests: 7,
            }
            .to_string(),
            Notice::NotCached { responses: 9 }.to_string(),
            Notice::EndedSessionsFailed {
                failures: 30,
                status: None,
                cluster: "bff_admin".to_owned(),
            }
            .to_string(),
        ];
        for (line, words) in lines.iter().zip([
            &[
                "key ring: 12, such as with key 5be7b5b2",
                "key 5be7b5b2",
                "0d1f6c41, 01010101",
                "encryption_key",
            ][..],
            &["75 seconds", "compare the clocks"],
            &["40 of 50", "the client `gateway` may introspect, or exchange,"],
            &["7 requests", "`https://new.example.com`", "trusted_web_origins"],
            &["9 introspection responses", "phantom_token.ignore_cache_control"],
            &["30 polls", "failed: no response", "cluster `bff_admin`"],
        ]) {
            for word in words {
                assert!(line.contains(word), "{line}: {word}");
            }
        }
    }
}
