//! W3C Trace Context and the request id, which identify a request in the logs and traces of everything that it causes.
//! Callouts on behalf of a request carry them too.
//!
//! They come from outside and go into headers, so only values of a known form and length are propagated.

use zeroize::Zeroizing;

use crate::request::head::RequestHead;
use crate::request::values::Values;

/// The length of a `traceparent`, in bytes: version, trace id, parent id and flags, with `-` between them (W3C Trace
/// Context, section 3.2.2).
const TRACEPARENT_BYTES: usize = 55;
/// The maximum length of a `tracestate` that is propagated, in bytes: the least that W3C Trace Context,
/// section 3.3.1.5 recommends.
pub const MAX_TRACESTATE_BYTES: usize = 512;
/// The maximum length of a request id that is propagated, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 64;

/// A header of a request that is made on behalf of another one: name and value.
pub type TraceHeader = (&'static str, Zeroizing<String>);

/// Returns the headers of a request that is made on behalf of this one.
pub(crate) fn headers(head: &RequestHead) -> impl Iterator<Item = TraceHeader> {
    let traceparent = traceparent(head);
    let tracestate = traceparent.as_ref().and_then(|_| tracestate(head));
    let headers = [
        ("traceparent", traceparent),
        ("tracestate", tracestate),
        ("x-request-id", request_id(head)),
    ];
    headers
        .into_iter()
        .filter_map(|(name, value)| Some((name, Zeroizing::new(value?))))
}

fn traceparent(head: &RequestHead) -> Option<String> {
    let Values::Single(line) = head.one("traceparent") else {
        return None;
    };
    let (known, more) = line.split_at_checked(TRACEPARENT_BYTES)?;
    let text = std::str::from_utf8(known).ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_nonzero = |text: &str| text.bytes().any(|byte| byte != b'0');
    let is_formed = parts.next().is_none()
        && is_hex(version, 2)
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2)
        && is_nonzero(trace)
        && is_nonzero(parent);
    // A later version may have more after another `-`. Its known parts are propagated as the known version.
    let is_known_form = match version {
        "ff" => false,
        "00" => more.is_empty(),
        _ => more.is_empty() || more.starts_with(b"-"),
    };
    (is_formed && is_known_form).then(|| format!("00-{trace}-{parent}-{flags}"))
}

/// Several lines are one list (W3C Trace Context, section 3.3.1).
fn tracestate(head: &RequestHead) -> Option<String> {
    let list = head.all("tracestate").collect::<Vec<_>>().join(&b","[..]);
    let is_formed =
        (1..=MAX_TRACESTATE_BYTES).contains(&list.len()) && list.iter().all(|byte| matches!(byte, b' '..=b'~'));
    is_formed.then(|| String::from_utf8(list).ok()).flatten()
}

fn request_id(head: &RequestHead) -> Option<String> {
    match head.one("x-request-id") {
        Values::Single(id) => parse_request_id(id).map(str::to_owned),
        Values::Absent | Values::Repeated => None,
    }
}

/// Returns the request id that a proxy in front has set (`X-Request-Id`), if it is fit for logs and headers: 1 to 64
/// letters, digits, `-`, `_` and `.`.
pub fn parse_request_id(value: &[u8]) -> Option<&str> {
    let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_formed = (1..=MAX_REQUEST_ID_BYTES).contains(&value.len()) && value.iter().all(is_legal);
    is_formed.then(|| std::str::from_utf8(value).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn of(lines: &[(&str, &[u8])]) -> Vec<(&'static str, String)> {
        let lines = lines.iter().map(|(name, value)| (name.as_bytes(), *value));
        headers(&RequestHead::new(lines))
            .map(|(name, value)| (name, value.to_string()))
            .collect()
    }

    #[test]
    fn what_has_its_form_is_handed_on() {
        let lines: [(&str, &[u8]); 4] = [
            ("traceparent", TRACEPARENT.as_bytes()),
            ("tracestate", b"vendor=a"),
            ("tracestate", b"other=b c"),
            ("x-request-id", b"4c9f2d0e-8a51"),
        ];
        let expected = [
            ("traceparent", TRACEPARENT),
            ("tracestate", "vendor=a,other=b c"),
            ("x-request-id", "4c9f2d0e-8a51"),
        ];
        assert_eq!(of(&lines), expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_later_version_is_said_as_the_one_that_is_known() {
        for later in [
            TRACEPARENT.replace("00-0a", "01-0a"),
            TRACEPARENT.replace("00-0a", "cc-0a") + "-what",
        ] {
            assert_eq!(
                of(&[("traceparent", later.as_bytes())]),
                [("traceparent", TRACEPARENT.to_owned())],
                "{later}"
            );
        }
    }

    #[test]
    fn nothing_else_is() {
        let trace = TRACEPARENT.as_bytes();
        for invalid in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
            "00-0af7651916cd43dd8448eb211c80319cb7ad6b7169203331--01x",
            "00-0af7651916cd43dd8448eb211c8031\r\n-b7ad6b7169203331-0",
        ] {
            assert_eq!(of(&[("traceparent", invalid.as_bytes())]), [], "{invalid:?}");
        }
        assert_eq!(of(&[("traceparent", &[0xff; 55])]), []);
        assert_eq!(of(&[("traceparent", trace), ("traceparent", trace)]), []);
        assert_eq!(
            of(&[("tracestate", b"vendor=a")]),
            [],
            "without a traceparent it means nothing"
        );
        for state in [&b"a=\x80"[..], b"a=\r\nb", b"", &[b'a'; 513]] {
            assert_eq!(
                of(&[("traceparent", trace), ("tracestate", state)]).len(),
                1,
                "{state:?}"
            );
        }
        for id in [&b""[..], b"a b", b"a\r\nb", b"\xff", &[b'a'; 65]] {
            assert_eq!(of(&[("x-request-id", id)]), [], "{id:?}");
        }
        assert_eq!(of(&[("x-request-id", b"a"), ("x-request-id", b"b")]), []);
    }
}
