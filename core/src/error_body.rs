//! The body of every error response of the gateway and the service.

/// Returns `{"code":…,"message":…}`.
pub fn error_body(code: &str, message: &str) -> String {
    serde_json::json!({"code": code, "message": message}).to_string()
}
