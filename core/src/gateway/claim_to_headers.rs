//! Claims that the API receives as headers (`claim_to_headers`).

use http::HeaderValue;
use serde_json::{Map, Value};

use super::config::ClaimToHeader;
use super::token_info::UnusableClaims;

/// Returns the headers for these claims: a string unchanged, any other value as JSON. A claim that is missing or null
/// sets no header, or makes the response unusable if it is `required`.
pub(super) fn headers_of_claims(
    members: &Map<String, Value>,
    headers: &[ClaimToHeader],
) -> Result<Vec<(String, Vec<u8>)>, UnusableClaims> {
    let mut lines = Vec::with_capacity(headers.len());
    for ClaimToHeader {
        header_name,
        claim_name,
        required,
    } in headers
    {
        let Some(value) = members.get(claim_name).filter(|value| !value.is_null()) else {
            if *required {
                return Err(UnusableClaims(
                    "introspection response: missing a claim that `claim_to_headers` requires",
                ));
            }
            continue;
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if HeaderValue::from_bytes(text.as_bytes()).is_err() {
            return Err(UnusableClaims(
                "introspection response: a claim of `claim_to_headers` is not a valid header value",
            ));
        }
        lines.push((header_name.clone(), text.into_bytes()));
    }
    Ok(lines)
}
