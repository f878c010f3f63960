//! What correlates a request with others: its request id, and its place in a trace (W3C Trace Context). `-` if a value is
//! absent, or not safe in a log.

use actix_web::http::header::{HeaderMap, HeaderValue};

/// The request id that the proxy has set.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    let is_safe = |text: &&str| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    one(headers, "x-request-id").filter(is_safe).unwrap_or("-").to_owned()
}

/// The trace that the request belongs to.
pub(crate) fn trace_id(headers: &HeaderMap) -> String {
    part(headers, 1, 32)
}

/// The span in which the caller sent the request.
pub(crate) fn parent_id(headers: &HeaderMap) -> String {
    part(headers, 2, 16)
}

fn part(headers: &HeaderMap, index: usize, length: usize) -> String {
    let is_hex = |text: &&str| text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let part = one(headers, "traceparent").and_then(|text| text.split('-').nth(index));
    part.filter(is_hex).unwrap_or("-").to_owned()
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut lines = headers.get_all(name).map(HeaderValue::to_str);
    let line = lines.next()?.ok()?;
    lines.next().is_none().then_some(line)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    fn logged(name: &'static str, value: &str) -> [String; 3] {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        [request_id(&headers), trace_id(&headers), parent_id(&headers)]
    }

    #[test]
    fn only_what_has_its_form_reaches_the_log() {
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parts = ["-", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
        assert_eq!(logged("traceparent", traceparent), parts);
        assert_eq!(logged("x-request-id", "4c9f-1"), ["4c9f-1", "-", "-"]);
        assert_eq!(logged("traceparent", "00-<a>-b trace_id=c-01"), ["-"; 3]);
        assert_eq!(logged("x-request-id", "a trace_id=b"), ["-"; 3]);
    }
}
