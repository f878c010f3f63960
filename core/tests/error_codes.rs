//! The table of error codes.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use bff_core::gateway::error_code::ErrorCode;

#[test]
fn every_rejection_of_the_gateway_has_the_status_and_code_of_the_contract() {
    use ErrorCode as G;
    let table = [
        (G::MalformedCredentials, 400, "invalid_request"),
        (G::Unauthorized, 401, "unauthorized"),
        (G::DeviceBindingRequired, 401, "device_binding_required"),
        (G::BearerUnauthorized, 401, "unauthorized"),
        (G::Forbidden, 403, "forbidden"),
        (
            G::InsufficientUserAuthentication,
            401,
            "insufficient_user_authentication",
        ),
        (G::ServerError, 500, "server_error"),
        (G::NotReady, 503, "server_error"),
        (G::AuthorizationServerError, 502, "authorization_server_error"),
        (G::AuthorizationServerTimeout, 504, "authorization_server_error"),
    ];
    assert_eq!(table.map(|(error, ..)| error), G::ALL);
    for (error, status, code) in table {
        assert_eq!((error.status(), error.code()), (status, code));
        let body: serde_json::Value = serde_json::from_str(&error.body()).unwrap();
        assert_eq!(body, serde_json::json!({"code": code, "message": error.message()}));
    }
    assert_eq!(
        G::Unauthorized.message(),
        "Access denied due to missing or invalid credentials"
    );
}
