//! Sign-ins through the products that are measured beside the filter: Envoy's own OAuth filter and oauth2-proxy.

use crate::credentials::token_length;
use crate::http::Connection;
use crate::result::Result;

/// The variants with Envoy's oauth2 filter, and the lengths of their access tokens in bytes. That filter forwards the access
/// token in its cookie. It is as long as the one in our cookie of 200 B or 2 KB, or as long as the JWT that our filter forwards
/// in its place, so that the API receives as many bytes.
pub(crate) fn tokens(jwt: &str) -> [(&'static str, usize); 3] {
    [
        ("oauth2", token_length(200)),
        ("oauth2-2000", token_length(2000)),
        ("oauth2-jwt", jwt.len()),
    ]
}

/// A product with which a browser signs in.
pub(crate) struct Product {
    pub(crate) name: &'static str,
    /// The path to which the authorization server redirects.
    pub(crate) callback: &'static str,
    /// The end of the code: the content of the token response.
    pub(crate) code: &'static str,
    /// The cookie of a session, or the beginning of its name if it has several.
    pub(crate) cookie: &'static str,
}

/// Envoy's own filter.
pub(crate) const ENVOY: Product = Product {
    name: "Envoy's oauth2 filter",
    callback: "/callback",
    code: "code",
    cookie: "BearerToken",
};

/// Signs in as a browser does, and returns the value of the `Cookie` header of the session.
pub(crate) async fn sign_in(product: &Product, port: u16, token_length: usize) -> Result<String> {
    let failed = |error: std::io::Error| format!("sign-in with {} failed: {error}", product.name);
    let mut connection = Connection::to(port).await.map_err(failed)?;
    let mut cookies: Vec<(String, String)> = Vec::new();
    let mut target = "/api".to_owned();
    let mut last = 0;
    for _ in 0..2 {
        let line = cookie_line(&cookies);
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: api.example.com\r\nx-forwarded-proto: https\r\n{}\r\n",
            if line.is_empty() {
                String::new()
            } else {
                format!("cookie: {line}\r\n")
            }
        );
        let response = connection.exchange(request.as_bytes()).await.map_err(failed)?;
        for set in response.header("set-cookie") {
            let pair = set.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                cookies.retain(|(other, _)| other != name);
                cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let location = response.header("location").pop().unwrap_or_default();
        if let Some(state) = location.split(['?', '&']).find_map(|pair| pair.strip_prefix("state=")) {
            target = format!(
                "{}?code={token_length}-{}&state={state}",
                product.callback, product.code
            );
        }
        last = response.status();
    }
    cookies.retain(|(_, value)| !value.is_empty() && value != "deleted");
    match cookies.iter().any(|(name, _)| name.starts_with(product.cookie)) {
        true => Ok(cookie_line(&cookies)),
        false => Err(format!(
            "sign-in with {} failed: no session cookie in the last response, HTTP {last}: check the filter's configuration in \
             bench/src",
            product.name
        )),
    }
}

fn cookie_line(cookies: &[(String, String)]) -> String {
    let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}
