//! The form of introspection responses, and what the API gets of them.

use serde::Deserialize;

use super::error::ConfigError;

/// Headers that mean something to proxies and servers, or carry credentials: no claim may be written there.
const TAKEN: [&str; 13] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The form of introspection responses, and what the API gets.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(super) enum Response {
    /// A JWT, which the API gets: as the body (`application/jwt`), or as the member `jwt` or `phantom_token` of JSON.
    #[default]
    Auto,
    /// JSON with claims (RFC 7662), which the API gets as headers.
    Claims,
    /// The same in a signed JWT (RFC 9701).
    Rfc9701,
}

/// The form of introspection responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseFormat {
    /// Those that bring a JWT for the API: as the body, or as the member `jwt` or `phantom_token` of JSON.
    Jwt,
    /// JSON with claims (RFC 7662), which become headers.
    Claims(Vec<ClaimToHeader>),
    /// The same in a JWT (RFC 9701).
    Rfc9701 {
        /// Who must have made it.
        issuer: String,
        /// What becomes headers.
        headers: Vec<ClaimToHeader>,
    },
}

/// A claim that the API gets as a header; the names are those of Envoy's `jwt_authn`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct ClaimToHeader {
    /// The name of the header, in lower case.
    pub header_name: String,
    /// The member of the introspection response.
    pub claim_name: String,
    /// Whether the request is refused (502) when the response lacks the claim. By default the header is left out then.
    #[serde(default)]
    pub required: bool,
}

impl ResponseFormat {
    pub(super) fn check(
        response: Response,
        issuer: Option<String>,
        mut headers: Vec<ClaimToHeader>,
    ) -> Result<Self, ConfigError> {
        let error = |field: &str, what: &str| Err(ConfigError::new(&format!("phantom_token.{field}"), what));
        if response != Response::Rfc9701 && issuer.is_some() {
            return error("issuer", "only used with `response: rfc9701`: leave it out");
        }
        if response == Response::Auto {
            return match headers.is_empty() {
                true => Ok(Self::Jwt),
                false => error(
                    "claim_to_headers",
                    "only used where the API gets no JWT: write `response: claims` or `rfc9701`, or leave it out",
                ),
            };
        }
        if headers.is_empty() {
            return error(
                "claim_to_headers",
                "required where the API gets no JWT: write, for example, [{\"header_name\": \"x-user-sub\", \"claim_name\": \"sub\"}]",
            );
        }
        for header in &mut headers {
            header.header_name.make_ascii_lowercase();
            let name = header.header_name.as_str();
            let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty()
                || !name.bytes().all(legal)
                || name.starts_with("x-envoy-")
                || TAKEN.contains(&name)
                || header.claim_name.is_empty()
            {
                return Err(ConfigError::new(
                    "phantom_token.claim_to_headers",
                    format!("`{name}`: write a header of your own with hyphens, for example `x-user-sub`, and a claim"),
                ));
            }
        }
        let times = |name: &str| headers.iter().filter(|header| header.header_name == name).count();
        if headers.iter().any(|header| times(&header.header_name) > 1) {
            return error(
                "claim_to_headers",
                "two claims are written to one header: write each header once",
            );
        }
        match (response, issuer) {
            (Response::Rfc9701, Some(issuer)) if !issuer.is_empty() => Ok(Self::Rfc9701 { issuer, headers }),
            (Response::Rfc9701, _) => error(
                "issuer",
                "write the issuer that signs the introspection responses, for example `https://login.example.com`",
            ),
            _ => Ok(Self::Claims(headers)),
        }
    }

    /// The headers that claims are written to, and that clients may not send.
    pub(crate) fn identity_headers(&self) -> impl Iterator<Item = &str> {
        let headers = match self {
            Self::Jwt => &[][..],
            Self::Claims(headers) | Self::Rfc9701 { headers, .. } => headers,
        };
        headers.iter().map(|header| header.header_name.as_str())
    }
}
