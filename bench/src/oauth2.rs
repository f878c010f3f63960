//! Sessions of Envoy's own OAuth filter, which is measured beside the others.

use crate::credentials::token_length;
use crate::http::Connection;
use crate::result::Result;

/// Envoy's oauth2 filter forwards the token in its cookie: a token as long as the one in our cookie of 200 B or 2 KB, or one
/// as long as the JWT that our filter forwards in its place, so that the API receives the same.
pub(crate) fn tokens(jwt: &str) -> [(&'static str, usize); 3] {
    [
        ("oauth2", token_length(200)),
        ("oauth2-2000", token_length(2000)),
        ("oauth2-jwt", jwt.len()),
    ]
}

/// Signs in through it, as a browser does. Returns the Cookie line of the session.
pub(crate) async fn sign_in(port: u16, token_length: usize) -> Result<String> {
    let failed = |error: std::io::Error| format!("oauth2: {error}");
    let mut connection = Connection::to(port).await.map_err(failed)?;
    let mut cookies: Vec<(String, String)> = Vec::new();
    let mut target = "/api".to_owned();
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
        let answer = connection.exchange(request.as_bytes()).await.map_err(failed)?;
        for set in answer.header("set-cookie") {
            let pair = set.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                cookies.retain(|(other, _)| other != name);
                cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let location = answer.header("location").pop().unwrap_or_default();
        if let Some(state) = location.split(['?', '&']).find_map(|pair| pair.strip_prefix("state=")) {
            target = format!("/callback?code={token_length}-code&state={state}");
        }
    }
    cookies.retain(|(_, value)| !value.is_empty() && value != "deleted");
    match cookies.iter().any(|(name, _)| name == "BearerToken") {
        true => Ok(cookie_line(&cookies)),
        false => Err("Envoy's oauth2 filter did not sign in".to_owned()),
    }
}

fn cookie_line(cookies: &[(String, String)]) -> String {
    let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}
