//! Headers that a client may not send to the API: the CSRF header, and the identity headers, which the gateway alone sets.

use super::config::Config;
use super::header_mutations::HeaderMutations;
use crate::request::head::RequestHead;
use crate::request::values::Values;

/// Their names, in lower case.
pub fn names(config: &Config) -> impl Iterator<Item = &str> {
    let csrf = config.bff_token.iter().map(|stage| stage.csrf_header.as_str());
    csrf.chain(identity_headers(config))
}

fn identity_headers(config: &Config) -> impl Iterator<Item = &str> {
    let stages = config.phantom_token.iter();
    stages.flat_map(|stage| stage.response.identity_headers())
}

/// Removes them from every request, however it is let in, in any spelling: to many frameworks everything but letters and
/// digits is `-`, and Envoy drops such headers only where it is told to, and only those with `_`.
///
/// `Authorization` has no other spelling, and is set or removed on every request that is forwarded.
pub(crate) fn strip(config: &Config, head: &RequestHead) -> HeaderMutations {
    let mut mutations = HeaderMutations::default();
    for untrusted in names(config) {
        for spelling in head.spellings(untrusted) {
            if let Ok(name) = std::str::from_utf8(spelling) {
                mutations.remove(name);
            }
        }
    }
    mutations
}

/// Whether the request has a header that is stripped or replaced, and by which the client may have had another route
/// selected: Envoy selects again when headers change, but tells of that route's metadata only when it is too late. The
/// CSRF header is a browser's to send, and so not among them.
pub(crate) fn may_have_selected_the_route(config: &Config, head: &RequestHead, by_cookie: bool) -> bool {
    identity_headers(config).any(|name| head.spellings(name).next().is_some())
        || by_cookie && head.one("authorization") != Values::Absent
}
