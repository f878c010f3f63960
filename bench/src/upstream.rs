//! All servers behind the measured programs, as cheap as possible: an API, an authorization server, an `ext_authz` server. They
//! run on the load's CPU, so their work is not counted.

use std::io;
use std::rc::Rc;

use tokio::net::TcpListener;

use crate::http::{Connection, Message};
use crate::result::Result;

/// The content of the server's responses.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    /// The introspection response.
    pub(crate) jwt: String,
    /// The client's JWKS, for `jwt_authn` and for the service.
    pub(crate) jwks: String,
}

/// Starts to serve, on the current `LocalSet`.
pub(crate) async fn serve(upstream: Rc<Upstream>) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", upstream.port))
        .await
        .map_err(|error| format!("port {}: {error}", upstream.port))?;
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
                        connection.write(&upstream.answer(&request)).await?;
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
    fn answer(&self, request: &Message) -> Vec<u8> {
        let target = request.target();
        let path = target.split('?').next().unwrap_or_default();
        let issuer = format!("http://127.0.0.1:{}", self.port);
        match path {
            "/introspect" => response("application/jwt", "", &self.jwt),
            "/token" => response("application/json", "", &self.token_response(&request.body())),
            "/jwks" => response("application/json", "", &self.jwks),
            "/.well-known/openid-configuration" => {
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

    /// The code or the refresh token determines the length of the access token (`<length>-…`).
    fn token_response(&self, form: &str) -> String {
        let value = |name: &str| {
            form.split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let length = value("code").or_else(|| value("refresh_token")).unwrap_or_default();
        let length = length
            .split('-')
            .next()
            .and_then(|length| length.parse().ok())
            .unwrap_or(40);
        let refresh_token = value("refresh_token").unwrap_or("none");
        serde_json::json!({
            "access_token": "t".repeat(length),
            "refresh_token": format!("{refresh_token}x"),
            "token_type": "Bearer",
            "expires_in": 36_000,
        })
        .to_string()
    }
}

fn response(content_type: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
