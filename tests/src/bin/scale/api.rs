//! In place of the API: it responds with whose token it received, so that a page sees that it got its own data.

use std::net::SocketAddr;

use bff_core::encoding::base64url;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::http::{Connection, Message};

/// Serves until the runtime ends, and returns its address.
///
/// # Errors
/// No port is free.
pub(crate) async fn start() -> Result<SocketAddr, String> {
    let failed = |error| format!("starting the API failed: {error}");
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut connection) = Connection::new(stream) else {
                continue;
            };
            tokio::spawn(async move {
                while let Ok(Some(request)) = connection.read().await {
                    if connection.write(&respond(&request)).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}

/// `jti` of the JWT that the filter has put into the request: the family and the generation of its access token.
fn respond(request: &Message) -> Vec<u8> {
    let authorization = request.header("authorization");
    let claims = authorization.first().and_then(|value| {
        let jwt = value.strip_prefix("Bearer ")?;
        let claims = base64url::decode(jwt.split('.').nth(1)?.as_bytes())?;
        serde_json::from_slice::<Value>(&claims).ok()
    });
    let token = claims.as_ref().and_then(|claims| claims["jti"].as_str());
    let (status, body) = match token {
        Some(token) => ("200 OK", token),
        None => ("403 Forbidden", ""),
    };
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
