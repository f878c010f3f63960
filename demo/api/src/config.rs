//! The process environment, read once and validated.

/// What the environment configures.
#[derive(Debug)]
pub(crate) struct Config {
    /// `HOST`, the address to listen on; default `127.0.0.1`.
    pub(crate) host: String,
    /// `PORT`; default 3002.
    pub(crate) port: u16,
    /// `ISSUER`: the `iss` that access tokens must have.
    pub(crate) issuer: String,
    /// `AUDIENCE`: a value that `aud` of the access tokens must contain.
    pub(crate) audience: String,
    /// `TOKEN_TYPE`: the `typ` that access tokens must have; default `at+jwt` (RFC 9068).
    pub(crate) token_type: String,
    /// `JWKS_URI`: the issuer's JWKS document. Plain HTTP, since the request stays in the network behind the proxy.
    pub(crate) jwks_uri: String,
}

impl Config {
    /// Reads the variables through `env`.
    ///
    /// # Errors
    /// One line that names the variable and says what to write.
    pub(crate) fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Config, String> {
        let required = |name: &str, what: &str| {
            env(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| format!("missing {name}: set it to {what}"))
        };
        let port = match env("PORT") {
            None => 3002,
            Some(text) => text
                .parse()
                .map_err(|_| "invalid PORT: write a number from 0 to 65535".to_owned())?,
        };
        let jwks_uri = required("JWKS_URI", "the http URL of the issuer's JWKS document")?;
        if !jwks_uri.starts_with("http://") {
            return Err("invalid JWKS_URI: write an http URL, such as http://127.0.0.1:3004/oauth/v2/jwks".to_owned());
        }
        Ok(Config {
            host: env("HOST").unwrap_or_else(|| "127.0.0.1".to_owned()),
            port,
            issuer: required("ISSUER", "the issuer of the tokens")?,
            audience: required("AUDIENCE", "this API's audience, such as demo-api")?,
            token_type: env("TOKEN_TYPE").unwrap_or_else(|| "at+jwt".to_owned()),
            jwks_uri,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::from_env(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = from(&[
            ("JWKS_URI", "http://127.0.0.1:3004/jwks"),
            ("ISSUER", "https://login.test"),
        ]);
        assert!(error.is_err_and(|text| text.contains("AUDIENCE")));
    }

    #[test]
    fn host_and_port_have_defaults() {
        let config = from(&[
            ("JWKS_URI", "http://127.0.0.1/jwks"),
            ("ISSUER", "https://login.test"),
            ("AUDIENCE", "a"),
        ])
        .expect("complete");
        assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 3002));
    }
}
