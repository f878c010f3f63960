//! Hosts in URLs.

/// Removes the brackets of an IPv6 address in a URL.
pub(super) fn strip_brackets(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// Whether the host is `localhost` or a name below it, with or without a trailing dot.
///
/// All these names mean loopback addresses (RFC 6761, section 6.3). Most browsers implement this, but many C libraries only for
/// `localhost` itself, so that the service could not reach what the browser reaches. The system resolver is still asked
/// first, because a container network may define such names.
pub(super) fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}
