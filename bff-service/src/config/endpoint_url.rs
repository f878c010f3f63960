//! URLs that the service or the browser sends requests to.

use url::Url;

/// Parses a URL that the configuration names. The error says what is wrong and what to write.
pub(super) fn parse(url: &str, demo: bool) -> Result<Url, String> {
    check_endpoint(url, demo).map_err(|what| {
        format!("invalid URL ({what}): write an https URL without a user name, a password or a fragment")
    })
}

/// Checks the URL of an endpoint. `demo`: plain http is accepted.
///
/// # Errors
/// What is wrong with the URL.
pub fn check_endpoint(url: &str, demo: bool) -> Result<Url, &'static str> {
    let url = Url::parse(url).map_err(|_| "it is not an absolute URL with a host")?;
    match url.scheme() {
        "https" => {}
        "http" if demo => {}
        "http" => return Err("its scheme is http"),
        _ => return Err("its scheme is not https"),
    }
    if url.fragment().is_some() {
        return Err("it has a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it contains a user name or a password");
    }
    Ok(url)
}
