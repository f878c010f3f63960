//! All servers behind the measured programs, as cheap as possible: an API, an authorization server, an `ext_authz` server. They
//! run on the load's CPU, so their work is not counted.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use tokio::net::TcpListener;

use crate::credentials::token;
use crate::http::{Connection, Message};
use crate::result::Result;

/// The lifetime of an access token, in seconds.
pub(crate) const EXPIRES_IN_SECONDS: u32 = 36_000;

/// The content of the server's responses.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    /// The introspection response.
    pub(crate) jwt: String,
    /// The ID token, for clients whose code asks for one.
    pub(crate) id_token: String,
    /// The authorization server's JWKS, for the service and for oauth2-proxy.
    pub(crate) jwks: String,
    /// The number of introspections.
    pub(crate) introspections: Cell<u64>,
}

/// The issuer identifier of the authorization server at this port.
pub(crate) fn issuer(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Starts to serve, on the current `LocalSet`.
pub(crate) async fn serve(upstream: Rc<Upstream>) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", upstream.port))
        .await
        .map_err(|error| format!("listening at 127.0.0.1:{} failed: {error}", upstream.port))?;
    tokio::task::spawn_local(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let upstream = Rc::clone(&upstream);
            tokio::task::spawn_local(async move {
                let Ok(mut connection) = Connection::new(stream) else {
                    return;
                };
                let _: io::Result<()> = async {
                    while let Some(request) = connection.read().await? {
                        connection.write(&upstream.respond(&request)).await?;
                    }
                    Ok(())
                }
                .await;
            });
        }
    });
    Ok(())
}

impl Upstream {
    /// The number of introspections so far.
    pub(crate) fn introspections(&self) -> u64 {
        self.introspections.get()
    }

    fn respond(&self, request: &Message) -> Vec<u8> {
        let target = request.target();
        let path = target.split('?').next().unwrap_or_default();
        match path {
            "/introspect" => {
                self.introspections.set(self.introspections.get() + 1);
                response("application/jwt", "", &self.jwt)
            }
            "/token" => response("application/json", "", &self.token_response(&request.body())),
            "/jwks" => response("application/json", "", &self.jwks),
            "/.well-known/openid-configuration" => {
                let issuer = issuer(self.port);
                let metadata = serde_json::json!({
                    "issuer": issuer,
                    "authorization_endpoint": format!("{issuer}/authorize"),
                    "token_endpoint": format!("{issuer}/token"),
                    "jwks_uri": format!("{issuer}/jwks"),
                    "response_types_supported": ["code"],
                    "code_challenge_methods_supported": ["S256"],
                    "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                });
                response("application/json", "", &metadata.to_string())
            }
            _ if path.starts_with("/authz") => {
                response("text/plain", &format!("authorization: Bearer {}\r\n", self.jwt), "")
            }
            // The request as it reached the API, for a check that a filter has done its work.
            _ if path.starts_with("/echo") => response("text/plain", "", &request.head()),
            _ => response("text/plain", "", "ok"),
        }
    }

    /// The code or the refresh token determines the length of the access token (`<length>-…`). The code also determines
    /// whether there is an ID token (`…-id_token`).
    fn token_response(&self, form: &str) -> String {
        let value = |name: &str| {
            form.split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let code = value("code");
        let length = code.or_else(|| value("refresh_token")).unwrap_or_default();
        let length = length
            .split('-')
            .next()
            .and_then(|length| length.parse().ok())
            .unwrap_or(40);
        let refresh_token = value("refresh_token").unwrap_or("none");
        let mut response = serde_json::json!({
            // Random, since oauth2-proxy compresses it.
            "access_token": token(length).unwrap_or_default(),
            "refresh_token": format!("{refresh_token}x"),
            "token_type": "Bearer",
            "expires_in": EXPIRES_IN_SECONDS,
        });
        if code.is_some_and(|code| code.ends_with("-id_token")) {
            response["id_token"] = self.id_token.as_str().into();
        }
        response.to_string()
    }
}

fn response(content_type: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_decides_the_length_of_the_access_token_and_whether_there_is_an_id_token() {
        let upstream = Upstream {
            port: 0,
            jwt: String::new(),
            id_token: "an ID token".to_owned(),
            jwks: String::new(),
            introspections: Cell::new(0),
        };
        let response = |form: &str| -> serde_json::Value {
            serde_json::from_str(&upstream.token_response(form)).expect("a token response")
        };
        let length = |response: &serde_json::Value| response["access_token"].as_str().map(str::len);
        let with = response("grant_type=authorization_code&code=1407-id_token");
        assert_eq!(
            (length(&with), with["id_token"].as_str()),
            (Some(1407), Some("an ID token"))
        );
        let without = response("grant_type=authorization_code&code=57-code");
        assert_eq!((length(&without), without["id_token"].as_str()), (Some(57), None));
        let refreshed = response("grant_type=refresh_token&refresh_token=40-x");
        assert_eq!((length(&refreshed), refreshed["id_token"].as_str()), (Some(40), None));
        assert_eq!(refreshed["refresh_token"], "40-xx");
    }
}
