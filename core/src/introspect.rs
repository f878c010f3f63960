//! Introspection (RFC 7662) for the phantom token pattern: the request, and what an answer means.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::cache::Verdict;
use crate::config::PhantomToken;
use crate::jwt;

/// The longest answer that is read, in bytes.
pub const MAX_ANSWER_LEN: usize = 64 * 1024;

/// How long an inactive token is remembered, in seconds: long enough to blunt a flood, short enough not to be noticed.
const INACTIVE_SECONDS: u64 = 5;

/// A request to the introspection endpoint.
pub struct Request {
    /// Pseudo-headers and headers.
    pub headers: Vec<(&'static str, Zeroizing<String>)>,
    /// The form.
    pub body: Zeroizing<Vec<u8>>,
}

/// What came back.
pub enum Answer {
    /// A response.
    Response {
        /// The status; 0 if there is none.
        status: u16,
        /// The value of `Content-Type`.
        content_type: Vec<u8>,
        /// The values of `Cache-Control`.
        cache_control: Vec<Vec<u8>>,
        /// The body; `None` if it is longer than [`MAX_ANSWER_LEN`].
        body: Option<Vec<u8>>,
    },
    /// The connection was reset, or the request could not be sent.
    Failed,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The token is known for what it is, and that may be kept until `expires_at` (seconds since 1970).
    Known {
        /// What it is.
        verdict: Verdict,
        /// Until when.
        expires_at: u64,
    },
    /// The answer cannot be used; the text is for the log.
    Unusable(&'static str),
    /// There was none in time.
    TimedOut,
}

/// The request for a token.
pub fn request(stage: &PhantomToken, token: &[u8]) -> Request {
    let mut body = Zeroizing::new(b"token_type_hint=access_token&token=".to_vec());
    form_encode(token, &mut body);
    // RFC 6749, 2.3.1: id and secret are form-encoded before they are joined.
    let mut credentials = Zeroizing::new(Vec::new());
    form_encode(stage.client_id.as_bytes(), &mut credentials);
    credentials.push(b':');
    form_encode(stage.client_secret.as_bytes(), &mut credentials);
    let text = |text: &str| Zeroizing::new(text.to_owned());
    let headers = vec![
        (":method", text("POST")),
        (":scheme", text(stage.scheme)),
        (":authority", text(&stage.authority)),
        (":path", text(&stage.path)),
        ("accept", text("application/jwt, application/json;q=0.9")),
        (
            "authorization",
            Zeroizing::new(format!("Basic {}", STANDARD.encode(&*credentials))),
        ),
        ("content-type", text("application/x-www-form-urlencoded")),
    ];
    Request { headers, body }
}

/// What an answer means at the time `now`, in seconds since 1970.
pub fn classify(stage: &PhantomToken, answer: &Answer, now: u64) -> Outcome {
    let Answer::Response {
        status,
        content_type,
        cache_control,
        body,
    } = answer
    else {
        return Outcome::Unusable("the connection was reset or could not be made");
    };
    let inactive = || Outcome::Known {
        verdict: Verdict::Inactive,
        expires_at: now.saturating_add(INACTIVE_SECONDS.min(stage.cache_seconds)),
    };
    match status {
        200 => {}
        204 => return inactive(),
        401 | 403 => return Outcome::Unusable("it refuses our credentials: check client_id and client_secret"),
        // Envoy's own answer when the callout's time is over; the server's own means no more.
        504 => return Outcome::TimedOut,
        _ => return Outcome::Unusable("it answered with an error status"),
    }
    let Some(body) = body else {
        return Outcome::Unusable("its answer is too long");
    };
    let media_type = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let (token, envelope) = if media_type.eq_ignore_ascii_case(b"application/jwt") {
        (body.trim_ascii().to_vec(), None)
    } else if media_type.eq_ignore_ascii_case(b"application/json") {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Outcome::Unusable("its answer is not a JSON object");
        };
        // RFC 7662, 2.2: anything but true is inactive. The phantom token forms may leave it out.
        match members.get("active") {
            Some(Value::Bool(true)) => {}
            Some(_) => return inactive(),
            None if members.contains_key("jwt") || members.contains_key("phantom_token") => {}
            None => return Outcome::Unusable("its JSON answer has no `active` member"),
        }
        let token = ["jwt", "phantom_token"]
            .iter()
            .find_map(|name| members.get(*name)?.as_str());
        let Some(token) = token else {
            return Outcome::Unusable(
                "its JSON answer has no `jwt` or `phantom_token`, so there is nothing for the API",
            );
        };
        (token.as_bytes().to_vec(), Some(members))
    } else {
        return Outcome::Unusable("its answer is neither application/jwt nor application/json");
    };
    let Some(claims) = jwt::access_token_claims(&token) else {
        return Outcome::Unusable("its answer holds no JWT that may be forwarded");
    };
    let expiries = std::iter::once(&claims).chain(&envelope).map(jwt::expiry);
    let mut expires_at = now.saturating_add(lifetime(cache_control).min(stage.cache_seconds));
    for expiry in expiries {
        match expiry {
            Ok(Some(expiry)) if expiry <= now => return inactive(),
            Ok(Some(expiry)) => expires_at = expires_at.min(expiry),
            Ok(None) => {}
            Err(()) => return Outcome::Unusable("its answer has an `exp` that is not a number"),
        }
    }
    let for_us = |audience: &String| jwt::has_audience(&claims, audience);
    let verdict = if !stage.required_audience.as_ref().is_none_or(for_us) {
        Verdict::Inactive
    } else if !jwt::has_scopes(&claims, &stage.required_scopes) {
        Verdict::Forbidden
    } else {
        Verdict::Active(Rc::from(token))
    };
    Outcome::Known { verdict, expires_at }
}

/// For how many seconds the answer may be kept (RFC 9111, 5.2.2); without a word on it, as long as the stage allows.
fn lifetime(cache_control: &[Vec<u8>]) -> u64 {
    let mut seconds = u64::MAX;
    for directive in cache_control.iter().flat_map(|line| line.split(|byte| *byte == b',')) {
        let directive = directive.trim_ascii().to_ascii_lowercase();
        if matches!(directive.as_slice(), b"no-store" | b"no-cache") {
            return 0;
        }
        if let Some(value) = directive.strip_prefix(b"max-age=") {
            let value = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""))
                .unwrap_or(value);
            // A value that cannot be read is stale (RFC 9111, 4.2.1).
            let value = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
            seconds = seconds.min(value);
        }
    }
    seconds
}

/// `application/x-www-form-urlencoded`, as RFC 6749, appendix B has it.
fn form_encode(bytes: &[u8], into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| HEX.get(usize::from(nibble & 15)).copied().unwrap_or(b'0');
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => into.push(*byte),
            b' ' => into.push(b'+'),
            _ => into.extend_from_slice(&[b'%', digit(byte >> 4), digit(*byte)]),
        }
    }
}
