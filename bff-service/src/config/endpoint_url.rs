//! URLs that the service or the browser sends requests to.

use url::Url;

/// Checks the URL of an endpoint. The error is the end of a sentence.
pub fn check_endpoint(url: &str, demo: bool) -> Result<Url, &'static str> {
    let url = Url::parse(url).map_err(|_| "is not a URL")?;
    match url.scheme() {
        "https" => {}
        "http" if demo => {}
        "http" => return Err("uses http; it must be https"),
        _ => return Err("is not https"),
    }
    if url.fragment().is_some() {
        return Err("has a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("contains a user name or a password");
    }
    Ok(url)
}
