//! The process environment, read once and validated.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::control::Control;

/// What the environment configures.
#[derive(Debug)]
pub(crate) struct Config {
    /// `HOST`, the address to listen on; default `127.0.0.1`.
    pub(crate) host: String,
    /// `PORT`; default 3001.
    pub(crate) port: u16,
    /// `CONTENT_DIR`: the folder of the built single page application.
    pub(crate) content_dir: PathBuf,
    /// `API_ORIGIN`: the only other origin that the page may send requests to.
    pub(crate) api_origin: String,
    /// The variables of [`Control`]. Without `CONTROL_ADDRESS` the page has no commands.
    pub(crate) control: Option<Control>,
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
            None => 3001,
            Some(text) => text
                .parse()
                .map_err(|_| "invalid PORT: write a number from 0 to 65535".to_owned())?,
        };
        let content_dir = PathBuf::from(required(
            "CONTENT_DIR",
            "the folder of the built single page application",
        )?);
        if !content_dir.join("index.html").is_file() {
            return Err(format!(
                "invalid CONTENT_DIR: {} has no index.html: build the page with `npm run build` in demo/spa",
                content_dir.display()
            ));
        }
        let api_origin = required(
            "API_ORIGIN",
            "the origin of the API, such as https://api.example.localhost:8443",
        )?;
        if !is_origin(&api_origin) {
            return Err("invalid API_ORIGIN: write scheme://host[:port] without a path".to_owned());
        }
        let control = match env("CONTROL_ADDRESS") {
            None => None,
            Some(address) => Some(Control {
                address: address
                    .parse()
                    .ok()
                    .filter(|address: &SocketAddr| address.ip().is_loopback())
                    .ok_or("invalid CONTROL_ADDRESS: write a loopback address and a port, such as 127.0.0.1:4000")?,
                token: required("CONTROL_TOKEN", "the token of the program that runs the demo")?,
                page_origin: required("PAGE_ORIGIN", "the page's own origin")?,
            }),
        };
        Ok(Config {
            host: env("HOST").unwrap_or_else(|| "127.0.0.1".to_owned()),
            port,
            content_dir,
            api_origin,
            control,
        })
    }
}

/// The origin becomes part of a header, so it must not contain anything that ends a CSP directive.
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_neither_path_nor_anything_that_ends_a_directive() {
        assert!(is_origin("https://api.example.localhost:8443"));
        assert!(is_origin("http://[::1]:8443"));
        for wrong in [
            "api.example.com",
            "https://",
            "https://a/",
            "https://a; script-src *",
            "https://a\r\nX: y",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_folder_without_the_page_is_a_fault_that_names_the_variable() {
        let error = Config::from_env(|name| (name == "CONTENT_DIR").then(|| "/nonexistent".to_owned()));
        assert!(error.is_err_and(|text| text.contains("CONTENT_DIR")));
    }
}
