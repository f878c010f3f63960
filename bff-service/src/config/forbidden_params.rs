//! Parameters of an authorization request that no page may set, whatever `client.allowed_extra_params` says.

/// Forbidden names.
const FORBIDDEN: [&str; 12] = [
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "nonce",
    // A request object overrides every other parameter (RFC 9101).
    "request",
    "request_uri",
    "registration",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "dpop_jkt",
];

/// Forbidden prefixes of names.
const FORBIDDEN_PREFIXES: [&str; 2] = ["response_", "code_challenge"];

/// Whether a page may never set this key. The comparison ignores case, as a lenient authorization server might.
pub fn is_forbidden(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    FORBIDDEN.contains(&key.as_str()) || FORBIDDEN_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}
