//! Errors of signed tokens.

/// Maximum length of external strings in a log line, in characters.
const MAX_SHOWN_CHARS: usize = 200;

/// Why a token or its signature is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// The token does not have three base64url parts with JSON objects in the first two (it may be encrypted), is too
    /// long, or has a malformed header.
    #[error("not a signed JWT")]
    Malformed,
    /// The header has the `typ` of another kind of token.
    #[error("its `typ` is that of another kind of token")]
    Type,
    /// The header has `crit`, which is not supported.
    #[error("unsupported header `crit`")]
    Critical,
    /// The algorithm, escaped for the log, is not configured. `none` and symmetric algorithms never are.
    #[error("its `alg` is `{0}`, which is not in `authorization_server.id_token_algorithms`")]
    Algorithm(String),
    /// No key of the issuer has this id and fits the algorithm.
    #[error("no key of the authorization server fits its `kid` and `alg`")]
    NoKey,
    /// No key that may have created the signature verifies it.
    #[error("invalid signature")]
    Signature,
}

/// A claim is missing or has an invalid type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is missing or has an invalid type")]
pub struct ClaimError(pub &'static str);

/// A token could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signing a JWT failed: {0}")]
pub struct SigningError(pub(super) String);

/// An external string for the log: truncated, on one line, without control characters.
pub(crate) fn shown(value: &str) -> String {
    let mut shown: String = value
        .chars()
        .take(MAX_SHOWN_CHARS)
        .flat_map(char::escape_debug)
        .collect();
    if value.chars().nth(MAX_SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_wrote_is_shown_on_one_line_and_bounded() {
        assert_eq!(shown("a\r\nb\0\u{1b}[2J\u{202e}"), "a\\r\\nb\\0\\u{1b}[2J\\u{202e}");
        assert_eq!(shown(&"x".repeat(MAX_SHOWN_CHARS)), "x".repeat(MAX_SHOWN_CHARS));
        assert_eq!(shown(&"x".repeat(100_000)), "x".repeat(MAX_SHOWN_CHARS) + "…");
    }
}
