//! The body of the error responses of the gateway and of the service's endpoints.

use serde_json::{Map, Value};

/// Returns `{"code":…,"message":…}`.
pub fn error_body(code: &str, message: &str) -> String {
    Value::Object(error_members(code, message)).to_string()
}

/// Returns the members `code` and `message`, to which an error may add its own.
pub fn error_members(code: &str, message: &str) -> Map<String, Value> {
    [("code", code), ("message", message)]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.into()))
        .collect()
}
