//! `check`: this client at the authorization server.

use std::sync::Arc;

use super::report::Report;
use crate::config::Config;
use crate::oauth::error_meaning::OAuthErrorCode;
use crate::oauth::{AuthorizationServer, OAuthClient, OAuthError};

/// Checks whether the token endpoint accepts the client's credentials. The request has a made-up refresh token: the
/// error is `invalid_client` if client authentication fails, and `invalid_grant` for the token (RFC 6749, section 5.2).
pub(super) async fn check_credentials(config: &Arc<Config>, server: AuthorizationServer, report: &mut Report) {
    const MADE_UP: &str = "made-up-by-bff-service-check";
    let instead = match OAuthClient::new(config, server).refresh(MADE_UP, None, None).await {
        Ok(_) => {
            let what = "the token endpoint issues tokens for a made-up refresh token: check that its URL is \
                        right, and that the authorization server checks refresh tokens";
            return report.errors.push(what.to_owned());
        }
        Err(OAuthError::Rejected(error_response)) => {
            let code = error_response.error_code();
            if code == Some(OAuthErrorCode::InvalidGrant) {
                let what = "the token endpoint accepts the client's credentials and refuses a made-up refresh token";
                return report.valid.push(what.to_owned());
            }
            if code == Some(OAuthErrorCode::InvalidClient) || error_response.status == 401 {
                let what = format!("the authorization server refused the client's credentials: {error_response}");
                // The messages for these codes say what to check.
                let is_explained = matches!(
                    code,
                    Some(OAuthErrorCode::InvalidClient | OAuthErrorCode::UnauthorizedClient)
                );
                return report.errors.push(match is_explained {
                    true => what,
                    false => {
                        format!("{what}: check `client.id`, the client secret or key, and `client.authentication`")
                    }
                });
            }
            error_response.to_string()
        }
        Err(error) => error.to_string(),
    };
    report.not_tested.push(format!(
        "the client's credentials: expected `invalid_grant` for a made-up refresh token, received: {instead}: \
         sign in once to test them"
    ));
}
