//! An endpoint of the authorization server.

use super::error::ConfigError;

/// An endpoint of the authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme: `http` or `https`. In Envoy, TLS is up to the cluster.
    pub scheme: &'static str,
    /// Host and port.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

impl Endpoint {
    /// Parses the URL in a field. `example`: what to write there instead.
    pub(super) fn parse(field: &str, url: &str, example: &str) -> Result<Self, ConfigError> {
        let invalid = || {
            ConfigError::new(
                field,
                format!(
                    "invalid URL: write an http or https URL without credentials or fragment, for example `{example}`"
                ),
            )
        };
        let uri: http::Uri = url.parse().map_err(|_| invalid())?;
        let scheme = match uri.scheme_str() {
            Some("https") => "https",
            Some("http") => "http",
            _ => return Err(invalid()),
        };
        let authority = uri
            .authority()
            .filter(|authority| !authority.as_str().contains('@'))
            .ok_or_else(invalid)?;
        let path = uri.path_and_query().ok_or_else(invalid)?;
        if url.contains('#') {
            return Err(invalid());
        }
        Ok(Self {
            scheme,
            authority: authority.to_string(),
            path: path.to_string(),
        })
    }

    /// Returns the URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path)
    }
}
