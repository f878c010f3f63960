//! The meaning of an error of the authorization server: the only table of HTTP statuses and OAuth error codes, which
//! decides the response of the service (`docs/CONTRACT.md`, section 1.2).

/// What an error means for the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// The same request may succeed later. Nothing was used up, and the session stays.
    Temporary,
    /// The code or token is no longer valid, the request was denied, or the authorization server requires an interaction:
    /// the user must sign in.
    SignInRequired,
    /// An error in the configuration of the client or of the authorization server, or a failure there: for operators.
    Failure,
}

/// HTTP statuses with different meanings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    /// HTTP 408 (RFC 9110, section 15.5.9).
    RequestTimeout,
    /// HTTP 425 (RFC 8470, section 5.2).
    TooEarly,
    /// HTTP 429 (RFC 6585, section 4).
    TooManyRequests,
    /// HTTP 503 (RFC 9110, section 15.6.4).
    ServiceUnavailable,
    /// Any other HTTP 4xx: the error code decides.
    ErrorCode,
    /// Any other status, for which no error code is defined.
    Other,
}

impl Status {
    fn of(status: u16) -> Status {
        match status {
            408 => Status::RequestTimeout,
            425 => Status::TooEarly,
            429 => Status::TooManyRequests,
            503 => Status::ServiceUnavailable,
            400..=499 => Status::ErrorCode,
            _ => Status::Other,
        }
    }
}

macro_rules! error_codes {
    ($($(#[$comment:meta])* $variant:ident = $name:literal,)*) => {
        /// Error codes of OAuth 2.0, OpenID Connect and their extensions.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum OAuthErrorCode {
            $($(#[$comment])* $variant,)*
            /// Any other code.
            Other,
        }

        impl OAuthErrorCode {
            /// All codes but [`OAuthErrorCode::Other`].
            pub const ALL: &[OAuthErrorCode] = &[$(OAuthErrorCode::$variant),*];

            /// The code with this name. The comparison is exact.
            pub fn of(name: &str) -> OAuthErrorCode {
                match name {
                    $($name => OAuthErrorCode::$variant,)*
                    _ => OAuthErrorCode::Other,
                }
            }

            /// The name, or an empty string for [`OAuthErrorCode::Other`].
            pub fn name(self) -> &'static str {
                match self {
                    $(OAuthErrorCode::$variant => $name,)*
                    OAuthErrorCode::Other => "",
                }
            }
        }
    };
}

error_codes! {
    /// RFC 6749, section 5.2.
    InvalidRequest = "invalid_request",
    /// RFC 6749, section 5.2.
    InvalidClient = "invalid_client",
    /// RFC 6749, section 5.2: the code or the refresh token is invalid, expired or revoked.
    InvalidGrant = "invalid_grant",
    /// RFC 6749, section 5.2.
    UnauthorizedClient = "unauthorized_client",
    /// RFC 6749, section 5.2.
    UnsupportedGrantType = "unsupported_grant_type",
    /// RFC 6749, section 5.2.
    InvalidScope = "invalid_scope",
    /// RFC 6749, section 4.1.2.1: the user or the authorization server denied the request.
    AccessDenied = "access_denied",
    /// RFC 6749, section 4.1.2.1.
    UnsupportedResponseType = "unsupported_response_type",
    /// RFC 6749, section 4.1.2.1.
    ServerError = "server_error",
    /// RFC 6749, section 4.1.2.1.
    TemporarilyUnavailable = "temporarily_unavailable",
    /// RFC 6750, section 3.1.
    InvalidToken = "invalid_token",
    /// RFC 6750, section 3.1.
    InsufficientScope = "insufficient_scope",
    /// OpenID Connect Core 1.0, section 3.1.2.6.
    InteractionRequired = "interaction_required",
    /// OpenID Connect Core 1.0, section 3.1.2.6.
    LoginRequired = "login_required",
    /// OpenID Connect Core 1.0, section 3.1.2.6.
    AccountSelectionRequired = "account_selection_required",
    /// OpenID Connect Core 1.0, section 3.1.2.6.
    ConsentRequired = "consent_required",
    /// OpenID Connect Core 1.0, section 3.1.2.6.
    InvalidRequestUri = "invalid_request_uri",
    /// OpenID Connect Core 1.0, section 3.1.2.6.
    InvalidRequestObject = "invalid_request_object",
    /// OpenID Connect Core 1.0, section 3.1.2.6.
    RequestNotSupported = "request_not_supported",
    /// OpenID Connect Core 1.0, section 3.1.2.6.
    RequestUriNotSupported = "request_uri_not_supported",
    /// OpenID Connect Core 1.0, section 3.1.2.6.
    RegistrationNotSupported = "registration_not_supported",
    /// OpenID Connect Core Unmet Authentication Requirements 1.0.
    UnmetAuthenticationRequirements = "unmet_authentication_requirements",
    /// RFC 7009, section 2.2.1.
    UnsupportedTokenType = "unsupported_token_type",
    /// RFC 8628, section 3.5.
    AuthorizationPending = "authorization_pending",
    /// RFC 8628, section 3.5. Some servers send it for other grants, too.
    SlowDown = "slow_down",
    /// RFC 8628, section 3.5.
    ExpiredToken = "expired_token",
    /// RFC 8707, section 2.
    InvalidTarget = "invalid_target",
    /// RFC 9396, section 5.
    InvalidAuthorizationDetails = "invalid_authorization_details",
    /// RFC 9449, section 5.
    InvalidDpopProof = "invalid_dpop_proof",
    /// RFC 9449, section 8.
    UseDpopNonce = "use_dpop_nonce",
    /// RFC 9470, section 3.
    InsufficientUserAuthentication = "insufficient_user_authentication",
}

impl OAuthErrorCode {
    /// The meaning of the code with an HTTP 4xx that has no meaning of its own.
    fn meaning(self) -> Meaning {
        use OAuthErrorCode::*;
        match self {
            TemporarilyUnavailable | SlowDown => Meaning::Temporary,
            InvalidGrant
            | InvalidToken
            | InteractionRequired
            | LoginRequired
            | ConsentRequired
            | AccountSelectionRequired
            | AccessDenied => Meaning::SignInRequired,
            InvalidRequest
            | InvalidClient
            | UnauthorizedClient
            | UnsupportedGrantType
            | InvalidScope
            | UnsupportedResponseType
            | ServerError
            | InsufficientScope
            | InvalidRequestUri
            | InvalidRequestObject
            | RequestNotSupported
            | RequestUriNotSupported
            | RegistrationNotSupported
            | UnmetAuthenticationRequirements
            | UnsupportedTokenType
            | AuthorizationPending
            | ExpiredToken
            | InvalidTarget
            | InvalidAuthorizationDetails
            | InvalidDpopProof
            | UseDpopNonce
            | InsufficientUserAuthentication
            | Other => Meaning::Failure,
        }
    }
}

/// The meaning of a response with this status and error code. A status that means "later" takes precedence over the
/// code: a busy authorization server, or a busy proxy in front of it, must not sign anybody out.
pub fn meaning(status: u16, code: Option<OAuthErrorCode>) -> Meaning {
    match Status::of(status) {
        Status::RequestTimeout | Status::TooEarly | Status::TooManyRequests | Status::ServiceUnavailable => {
            Meaning::Temporary
        }
        Status::ErrorCode => code.map_or(Meaning::Failure, OAuthErrorCode::meaning),
        Status::Other => Meaning::Failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_name_and_no_other_spelling() {
        for code in OAuthErrorCode::ALL {
            assert_eq!(OAuthErrorCode::of(code.name()), *code);
        }
        for name in ["", "INVALID_GRANT", " invalid_grant", "invalid_grant.", "my_own"] {
            assert_eq!(OAuthErrorCode::of(name), OAuthErrorCode::Other, "{name:?}");
        }
    }

    #[test]
    fn a_status_that_says_later_is_believed_before_any_code() {
        for status in [408, 425, 429, 503] {
            for code in [
                None,
                Some(OAuthErrorCode::InvalidGrant),
                Some(OAuthErrorCode::InvalidClient),
            ] {
                assert_eq!(meaning(status, code), Meaning::Temporary, "{status} {code:?}");
            }
        }
    }

    #[test]
    fn only_a_4xx_ends_a_session() {
        for status in [200, 302, 500, 502, 504] {
            assert_eq!(
                meaning(status, Some(OAuthErrorCode::InvalidGrant)),
                Meaning::Failure,
                "{status}"
            );
        }
        assert_eq!(
            meaning(400, Some(OAuthErrorCode::InvalidGrant)),
            Meaning::SignInRequired
        );
    }

    #[test]
    fn the_contract_names_every_code_that_is_no_fault_in_the_row_of_its_meaning() {
        let contract = include_str!("../../../docs/CONTRACT.md");
        let row = |beginning: &str| {
            let found = contract.lines().find(|line| line.starts_with(beginning));
            found.unwrap_or_else(|| panic!("docs/CONTRACT.md has no row `{beginning}`"))
        };
        let (temporary, sign_in) = (row("| temporary |"), row("| sign-in required |"));
        for status in ["408", "425", "429", "503"] {
            assert!(temporary.contains(status), "{status}");
        }
        for code in OAuthErrorCode::ALL {
            let named = |row: &str| row.contains(&format!("`{}`", code.name()));
            let expected = match code.meaning() {
                Meaning::Temporary => (true, false),
                Meaning::SignInRequired => (false, true),
                Meaning::Failure => (false, false),
            };
            assert_eq!((named(temporary), named(sign_in)), expected, "{}", code.name());
        }
    }
}
