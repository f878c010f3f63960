//! Discovery of the authorization server's metadata (OpenID Connect Discovery 1.0; RFC 8414).

use url::Url;

use super::http::{HttpClient, MAX_DOCUMENT_BYTES, ServerResponse};
use super::metadata::Document;
use crate::telemetry::server_endpoint::ServerEndpoint;

/// The metadata URL of an issuer (OpenID Connect Discovery 1.0, section 4).
pub fn openid_configuration_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// The metadata URL of an issuer, with the well-known part between host and path (RFC 8414, section 3). `None` if the
/// issuer is not a URL.
pub fn oauth_authorization_server_url(issuer: &str) -> Option<String> {
    let mut url = Url::parse(issuer).ok()?;
    let path = format!(
        "/.well-known/oauth-authorization-server{}",
        url.path().trim_end_matches('/')
    );
    url.set_path(&path);
    Some(url.into())
}

/// Fetches the document from [`openid_configuration_url`]. If the authorization server has none there (HTTP 4xx), fetches
/// it from [`oauth_authorization_server_url`].
///
/// # Errors
/// The URL, what is wrong, and what to do, for the log.
pub async fn fetch(http: &HttpClient, issuer: &str) -> Result<Document, String> {
    let first = openid_configuration_url(issuer);
    let response = get(http, &first).await?;
    if response.status == 200 {
        return parse(&first, &response);
    }
    let second = oauth_authorization_server_url(issuer)
        .ok_or_else(|| format!("invalid issuer `{issuer}`: write a URL as `authorization_server.issuer`"))?;
    let other = get(http, &second).await?;
    match other.status {
        200 => parse(&second, &other),
        status => Err(format!(
            "fetching the metadata failed: HTTP {} for {first}, and HTTP {status} for {second}: check \
             `authorization_server.issuer`",
            response.status
        )),
    }
}

async fn get(http: &HttpClient, url: &str) -> Result<ServerResponse, String> {
    http.get(ServerEndpoint::Metadata, url, &[], MAX_DOCUMENT_BYTES)
        .await
        .map_err(|error| {
            format!(
                "fetching {url} failed: {error}: check `authorization_server.issuer`, and check that the authorization \
                 server is running"
            )
        })
}

fn parse(url: &str, response: &ServerResponse) -> Result<Document, String> {
    serde_json::from_slice(&response.body)
        .map_err(|error| format!("malformed metadata at {url}: {error}: check `authorization_server.issuer`"))
}
