//! Headers that a caller may not send to the API: the CSRF header, those of device-bound sessions, which are between
//! browser and service, and the identity headers, which only the gateway sets.

use super::config::Config;
use super::header_mutations::HeaderMutations;
use crate::request::head::{RequestHead, Tags};
use crate::request::values::Values;

/// Returns the names of these headers, in lower case.
pub fn names(config: &Config) -> impl Iterator<Item = &str> {
    let of_bound_sessions = config.bff_token.iter().flat_map(|_| OF_BOUND_SESSIONS);
    always(config).chain(of_bound_sessions)
}

/// Returns those that are looked up in every request.
fn always(config: &Config) -> impl Iterator<Item = &str> {
    let csrf = config.bff_token.iter().map(|stage| stage.csrf_header.as_str());
    csrf.chain(identity_headers(config))
}

/// The request headers of Device Bound Session Credentials (W3C, first public working draft of August 2025).
const OF_BOUND_SESSIONS: [&str; 3] = [
    "secure-session-response",
    "secure-session-skipped",
    "sec-secure-session-id",
];

fn identity_headers(config: &Config) -> impl Iterator<Item = &str> {
    let stages = config.phantom_token.iter();
    stages.flat_map(|stage| stage.response.identity_headers())
}

/// Removes these headers from every request, whatever its credential, in any spelling: many frameworks read everything
/// but letters and digits as `-`, and Envoy removes such headers only if it is configured to, and only those with `_`.
///
/// `Authorization` has no other spelling, and is set or removed on every forwarded request.
pub(crate) fn strip(config: &Config, head: &RequestHead) -> HeaderMutations {
    const RARE: Tags = Tags::of(&OF_BOUND_SESSIONS);
    let mut mutations = HeaderMutations::default();
    always(config).for_each(|name| remove(&mut mutations, head, name));
    if config.bff_token.is_some() && head.may_have(RARE) {
        OF_BOUND_SESSIONS
            .iter()
            .for_each(|name| remove(&mut mutations, head, name));
    }
    mutations
}

fn remove(mutations: &mut HeaderMutations, head: &RequestHead, untrusted: &str) {
    for spelling in head.spellings(untrusted) {
        if let Ok(name) = std::str::from_utf8(spelling) {
            mutations.remove(name);
        }
    }
}

/// Whether the request has a header that is removed or replaced, and with which the caller may have selected another
/// route: Envoy selects the route again if headers change, but shows the metadata of that route only with the response.
/// Headers that a request is expected to have do not count, such as the CSRF header.
pub(crate) fn may_have_selected_the_route(config: &Config, head: &RequestHead, by_cookie: bool) -> bool {
    identity_headers(config).any(|name| head.spellings(name).next().is_some())
        || by_cookie && head.one("authorization") != Values::Absent
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise each request would pay for headers that it does not have.
    #[test]
    fn the_usual_headers_of_a_request_are_not_taken_for_those_of_bound_sessions() {
        let usual = [
            ":authority",
            ":method",
            ":path",
            ":scheme",
            "accept",
            "accept-encoding",
            "accept-language",
            "cache-control",
            "connection",
            "content-length",
            "content-type",
            "cookie",
            "if-none-match",
            "origin",
            "pragma",
            "priority",
            "referer",
            "sec-ch-ua",
            "sec-ch-ua-mobile",
            "sec-ch-ua-platform",
            "sec-fetch-dest",
            "sec-fetch-mode",
            "sec-fetch-site",
            "traceparent",
            "user-agent",
            "x-example-csrf",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-proto",
            "x-request-id",
        ];
        let may_have = |name: &str| {
            let lines = [(name.as_bytes(), &b""[..])];
            RequestHead::new(lines).may_have(Tags::of(&OF_BOUND_SESSIONS))
        };
        for name in usual {
            assert!(!may_have(name), "{name}");
        }
        for name in OF_BOUND_SESSIONS {
            assert!(may_have(name), "{name}");
        }
    }
}
