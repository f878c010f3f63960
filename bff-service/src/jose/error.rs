//! What is wrong with a signed token.

/// How much of what somebody else wrote is shown in a log line, in characters.
const MAX_SHOWN: usize = 200;

/// Why a token or its signature is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three parts of base64url with JSON objects in the first two; an encrypted token, for instance.
    #[error("not a signed JWT")]
    Malformed,
    /// The header says that it is some other kind of token.
    #[error("wrong `typ`: another kind of token")]
    Type,
    /// The header has `crit`: something that must be understood, and is not.
    #[error("unsupported header `crit`")]
    Critical,
    /// The algorithm, as it may be logged, is not one of those configured. `none` and the symmetric ones never are.
    #[error("its `alg` is `{0}`, which is not in `authorization_server.id_token_algorithms`")]
    Algorithm(String),
    /// None of the issuer's keys has this id and fits the algorithm.
    #[error("no key of the authorization server fits its `kid` and `alg`")]
    NoKey,
    /// The signature is by none of the keys that may have made it.
    #[error("invalid signature")]
    Signature,
}

/// A claim is missing, or is not of the type that it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is missing or of the wrong type")]
pub struct ClaimError(pub &'static str);

/// A token could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a JWT cannot be signed: {0}")]
pub struct SigningError(pub(super) String);

/// What somebody else wrote, as it may be logged: bounded, on one line, without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
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
        assert_eq!(shown(&"x".repeat(MAX_SHOWN)), "x".repeat(MAX_SHOWN));
        assert_eq!(shown(&"x".repeat(100_000)), "x".repeat(MAX_SHOWN) + "…");
    }
}
