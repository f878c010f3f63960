//! Components that endpoints share: error schemas, responses and security schemes.

use std::collections::BTreeMap;

use crate::error_code::ErrorCode;
use bff_core::cookie::purpose::Purpose;
use serde_json::{Map, Value, json};

use crate::application::Application;

/// The schema of every error response.
pub(super) fn error_schemas() -> Value {
    json!({
        "Error": {
            "type": "object",
            "description": "Every error has this form. The messages are fixed. Details are only in the log of the service.",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
            },
            "additionalProperties": false,
        },
    })
}

/// A response with JSON of this schema.
pub(super) fn json_response(description: &str, schema: Value) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

/// Returns the error responses, one for each status. `has_server_errors`: HTTP 400 includes error codes of the
/// authorization server.
pub(super) fn group_by_status(error_codes: &[ErrorCode], has_server_errors: bool) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<&ErrorCode>> = BTreeMap::new();
    for error_code in error_codes {
        by_status.entry(error_code.status()).or_default().push(error_code);
    }
    let response = |(status, error_codes): (u16, Vec<&ErrorCode>)| {
        let mut codes: Vec<&str> = error_codes.iter().map(|error_code| error_code.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        let mut description: Vec<String> = error_codes
            .iter()
            .map(|error_code| format!("`{}`: {}.", error_code.code(), error_code.message()))
            .collect();
        let error = json!({"$ref": "#/components/schemas/Error"});
        let schema = if has_server_errors && status == 400 {
            description.push("Or the error code of the authorization server.".to_owned());
            error
        } else {
            json!({"allOf": [error, {"properties": {"code": {"enum": codes}}}]})
        };
        let mut response = json_response(&description.join(" "), schema);
        let has_retry_after = |error_code: &&ErrorCode| {
            matches!(
                error_code,
                ErrorCode::AuthorizationServerBusy { .. } | ErrorCode::RefreshUnavailable
            )
        };
        if error_codes.iter().any(has_retry_after) {
            let seconds = json!({"type": "integer", "minimum": 1, "maximum": 300});
            response["headers"] = json!({"Retry-After": {
                "description": "The time after which the same request may succeed, in seconds, if it is known.",
                "schema": seconds,
            }});
        }
        (status.to_string(), response)
    };
    by_status.into_iter().map(response).collect()
}

/// The security schemes: cookies, and the CSRF value in a header.
pub(super) fn security_schemes(application: &Application) -> Value {
    let names = &application.cookies.names;
    let cookie = |name: &str, what: &str| json!({"type": "apiKey", "in": "cookie", "name": name, "description": what});
    json!({
        "login": cookie(names.of(Purpose::Login), "The sealed pending logins of this browser."),
        "navigation": cookie(names.of(Purpose::NavigationLogin), "The sealed pending logins by navigation of this browser."),
        "accessToken": cookie(names.of(Purpose::AccessToken), "The sealed access token."),
        "refreshToken": cookie(names.of(Purpose::RefreshToken), "The sealed refresh token."),
        "deviceKey": cookie(names.of(Purpose::DeviceKey), "The sealed public key of the device."),
        "idToken": cookie(names.of(Purpose::IdToken), "The sealed ID token."),
        "csrf": cookie(names.of(Purpose::Csrf), "The sealed CSRF value."),
        "csrfHeader": {
            "type": "apiKey",
            "in": "header",
            "name": application.config.csrf_header().as_str(),
            "description": "The CSRF value that `/login/end` and `/session` return.",
        },
    })
}
