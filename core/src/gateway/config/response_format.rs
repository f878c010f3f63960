//! The form of introspection responses, and what the API receives from them.

use serde::Deserialize;

use super::error::ConfigError;

/// Headers that proxies and servers interpret, or that contain credentials: no claim may be written to them.
const FORBIDDEN_HEADERS: [&str; 13] = [
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

/// Form of the introspection responses, and what the API receives.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(super) enum Response {
    /// A JWT, as the body (`application/jwt`) or as the member `jwt` or `phantom_token` of JSON. The API receives the JWT.
    #[default]
    Auto,
    /// JSON with claims (RFC 7662). The API receives the claims as headers.
    Claims,
    /// Claims in a signed JWT (RFC 9701). The API receives the claims as headers.
    Rfc9701,
}

/// Form of the introspection responses, with its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseFormat {
    /// A JWT for the API: as the body, or as the member `jwt` or `phantom_token` of JSON.
    Jwt,
    /// JSON with claims (RFC 7662), which the API receives as headers.
    Claims(Vec<ClaimToHeader>),
    /// Claims in a signed JWT (RFC 9701), which the API receives as headers.
    Rfc9701 {
        /// The required issuer.
        issuer: String,
        /// The claims that become headers.
        headers: Vec<ClaimToHeader>,
    },
}

/// A claim that the API receives as a header. The field names are those of Envoy's `jwt_authn`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct ClaimToHeader {
    /// Name of the header. The filter converts it to lower case.
    pub header_name: String,
    /// Member of the introspection response.
    pub claim_name: String,
    /// Whether the filter refuses the request (HTTP 502) if the response lacks the claim. If `false`, the filter omits the
    /// header.
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
            return error(
                "issuer",
                "has no effect without `response: rfc9701`: write that, or remove `issuer`",
            );
        }
        if response == Response::Auto {
            return match headers.is_empty() {
                true => Ok(Self::Jwt),
                false => error(
                    "claim_to_headers",
                    "has no effect with `response: auto`: write `response: claims` or `rfc9701`, or remove `claim_to_headers`",
                ),
            };
        }
        if headers.is_empty() {
            return error(
                "claim_to_headers",
                "missing: write, for example, [{\"header_name\": \"x-user-sub\", \"claim_name\": \"sub\"}], or `response: auto`",
            );
        }
        for header in &mut headers {
            header.header_name.make_ascii_lowercase();
            let name = header.header_name.as_str();
            let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty()
                || !name.bytes().all(is_legal)
                || name.starts_with("x-envoy-")
                || FORBIDDEN_HEADERS.contains(&name)
                || header.claim_name.is_empty()
            {
                return Err(ConfigError::new(
                    "phantom_token.claim_to_headers",
                    format!(
                        "invalid header `{name}` or claim `{}`: write a header of letters, digits and hyphens that no proxy or server interprets, for example `x-user-sub`, and a claim",
                        header.claim_name
                    ),
                ));
            }
        }
        let times = |name: &str| headers.iter().filter(|header| header.header_name == name).count();
        if let Some(header) = headers.iter().find(|header| times(&header.header_name) > 1) {
            let what = format!("duplicate header `{}`: write each header once", header.header_name);
            return error("claim_to_headers", &what);
        }
        match (response, issuer) {
            (Response::Rfc9701, Some(issuer)) if !issuer.is_empty() => Ok(Self::Rfc9701 { issuer, headers }),
            (Response::Rfc9701, _) => error(
                "issuer",
                "missing: write the issuer that signs the introspection responses, for example `https://login.example.com`",
            ),
            _ => Ok(Self::Claims(headers)),
        }
    }

    /// Returns the names of the headers that claims are written to. Callers may not send these headers.
    pub(crate) fn identity_headers(&self) -> impl Iterator<Item = &str> {
        let headers = match self {
            Self::Jwt => &[][..],
            Self::Claims(headers) | Self::Rfc9701 { headers, .. } => headers,
        };
        headers.iter().map(|header| header.header_name.as_str())
    }
}
