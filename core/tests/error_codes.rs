//! The tables of error codes.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use bff_core::error_code::Refusal;
use bff_core::gateway::error_code::ErrorCode as GatewayErrorCode;

#[test]
fn every_rejection_of_the_gateway_has_the_status_and_code_of_the_contract() {
    use GatewayErrorCode as G;
    let table = [
        (G::MalformedCredentials, 400, "invalid_request"),
        (G::Unauthorized, 401, "unauthorized"),
        (G::BearerUnauthorized, 401, "unauthorized"),
        (G::Forbidden, 403, "forbidden"),
        (G::ServerError, 500, "server_error"),
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

#[test]
fn every_refusal_has_the_status_and_code_of_the_contract() {
    use Refusal as R;
    let table = [
        (R::AuthorizationServerError, 502, "authorization_server_error"),
        (R::ServerError, 500, "server_error"),
        (R::UnauthorizedRequest, 401, "unauthorized_request"),
        (R::InvalidRequest, 400, "invalid_request"),
        (R::PayloadTooLarge, 413, "invalid_request"),
        (R::UnsupportedMediaType, 415, "invalid_request"),
        (R::AuthorizationError, 400, "authorization_error"),
        (R::TokenExpired, 401, "token_expired"),
        (R::SessionExpired, 401, "session_expired"),
        (R::LoginRequired, 401, "login_required"),
        (R::NotFound, 404, "not_found"),
        (R::MethodNotAllowed, 405, "method_not_allowed"),
    ];
    for (error, status, code) in table {
        assert_eq!((error.status(), error.code()), (status, code));
        let body: serde_json::Value = serde_json::from_str(&error.body()).unwrap();
        assert_eq!(body, serde_json::json!({"code": code, "message": error.message()}));
    }
    assert_eq!(
        R::UnauthorizedRequest.message(),
        "Access denied due to missing or invalid credentials"
    );
}
