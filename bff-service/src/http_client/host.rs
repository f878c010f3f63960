//! Hosts as they stand in URLs.

/// An IPv6 address has brackets in a URL, and none elsewhere.
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// Whether this is `localhost` or a name below it, with or without the dot of the root.
///
/// RFC 6761, section 6.3: all of them are loopback. Browsers follow this; many C libraries know only `localhost` itself, so that
/// without this the service could not reach what the browser reaches. The system is asked all the same, since the network
/// of containers may know better.
pub(super) fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}
