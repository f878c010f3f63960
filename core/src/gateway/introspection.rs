//! Introspection (RFC 7662) for the phantom token pattern: the request, and what an answer means.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::encoding::form;
use crate::gateway::config::{AnswerForm, ClaimToHeader, ClientAuthentication, PhantomToken};
use crate::gateway::introspection_cache::{Inactive, Verdict};
use crate::gateway::introspection_error::{ErrorAnswer, error_answer};
use crate::gateway::token_info::{Grant, Unusable};
use crate::jwt;
use crate::request::cache_control::lifetime;
use crate::request::head::Head;
use crate::request::trace_context;

/// The longest answer that is read, in bytes.
pub const MAX_ANSWER_LEN: usize = 64 * 1024;

/// Says over what the endpoint's URL is to be reached. A shell that reaches it over just that leaves it out.
pub const FORWARDED_PROTO: &str = "x-forwarded-proto";

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

/// The request for a token, on behalf of the request with this head.
pub fn request(stage: &PhantomToken, token: &[u8], behalf: Option<&Head>) -> Request {
    let mut body = Zeroizing::new(b"token_type_hint=access_token&token=".to_vec());
    form::encode(token, &mut body);
    let (id, secret) = (stage.client_id.as_bytes(), stage.client_secret.as_bytes());
    let text = |text: &str| Zeroizing::new(text.to_owned());
    let accept = match stage.answer {
        // Alone: Keycloak compares the whole header. Who has no such form answers in JSON all the same.
        AnswerForm::Jwt => "application/jwt",
        AnswerForm::Claims(_) => "application/json",
        AnswerForm::Rfc9701 { .. } => "application/token-introspection+jwt",
    };
    let mut headers = vec![
        (":method", text("POST")),
        (":scheme", text(stage.scheme)),
        (":authority", text(&stage.authority)),
        (":path", text(&stage.path)),
        ("accept", text(accept)),
        // Without it the server may compress as it likes (RFC 9110, section 12.5.3), and nobody here would undo it.
        ("accept-encoding", text("identity")),
        ("content-type", text("application/x-www-form-urlencoded")),
    ];
    if stage.scheme == "https" {
        // The cluster may lead to an inner http port of a server that wants to be asked over TLS.
        headers.push((FORWARDED_PROTO, text("https")));
    }
    match stage.client_authentication {
        ClientAuthentication::ClientSecretBasic => {
            // RFC 6749, section 2.3.1: id and secret are form-encoded before they are joined.
            let mut credentials = Zeroizing::new(Vec::new());
            form::encode(id, &mut credentials);
            credentials.push(b':');
            form::encode(secret, &mut credentials);
            let credentials = Zeroizing::new(STANDARD.encode(&*credentials));
            headers.push(("authorization", Zeroizing::new(format!("Basic {}", *credentials))));
        }
        ClientAuthentication::ClientSecretPost => {
            body.extend_from_slice(b"&client_id=");
            form::encode(id, &mut body);
            body.extend_from_slice(b"&client_secret=");
            form::encode(secret, &mut body);
        }
    }
    headers.extend(behalf.into_iter().flat_map(trace_context::headers));
    Request { headers, body }
}

/// What an answer about a token means at the time `now`, in seconds since 1970.
pub fn classify(stage: &PhantomToken, token: &[u8], answer: &Answer, now: u64) -> Outcome {
    let Answer::Response {
        status,
        content_type,
        cache_control,
        body,
    } = answer
    else {
        return Outcome::Unusable("introspection failed: the connection was reset or could not be made");
    };
    let inactive = |why: Inactive| Outcome::Known {
        verdict: Verdict::Inactive(why),
        expires_at: now.saturating_add(INACTIVE_SECONDS.min(stage.cache_seconds)),
    };
    match status {
        200 => {}
        204 => return inactive(Inactive::SaidSo),
        _ => {
            return match error_answer(stage, *status, body.as_deref()) {
                ErrorAnswer::NotIntrospectable => inactive(Inactive::NotIntrospectable),
                ErrorAnswer::Failure(why) => Outcome::Unusable(why),
                ErrorAnswer::TimedOut => Outcome::TimedOut,
            };
        }
    }
    let Some(body) = body else {
        return Outcome::Unusable("introspection failed: the answer is longer than 64 KiB");
    };
    let media_type = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let known = match understand(stage, token, &media_type.to_ascii_lowercase(), body, now) {
        Ok(Some(known)) => known,
        Ok(None) => return inactive(Inactive::SaidSo),
        Err(Unusable(why)) => return Outcome::Unusable(why),
    };
    if let Some(expiry) = known.expires_at
        && expiry <= now
    {
        let seconds = now.saturating_sub(expiry);
        return inactive(Inactive::ExpiredHere { seconds });
    }
    let kept_until = now.saturating_add(lifetime(cache_control.iter().map(Vec::as_slice)).min(stage.cache_seconds));
    Outcome::Known {
        verdict: Verdict::Active(Rc::new(known.grant)),
        expires_at: known.expires_at.unwrap_or(u64::MAX).min(kept_until),
    }
}

/// What an active token is.
struct Known {
    grant: Grant,
    /// Seconds since 1970.
    expires_at: Option<u64>,
}

/// Reads the body of an answer; `None`: the token is inactive.
fn understand(
    stage: &PhantomToken,
    token: &[u8],
    media_type: &[u8],
    body: &[u8],
    now: u64,
) -> Result<Option<Known>, Unusable> {
    match (&stage.answer, media_type) {
        (AnswerForm::Jwt, b"application/jwt") => {
            let token = body.trim_ascii();
            let claims = jwt::access_token_claims(token).ok_or(NO_JWT)?;
            let grant = Grant::of_claims(&claims, bearer(token))?;
            let expires_at = expiry(&claims)?;
            Ok(Some(Known { grant, expires_at }))
        }
        (AnswerForm::Jwt, b"application/json") => {
            let members = object(body)?;
            let brought = ["jwt", "phantom_token"]
                .iter()
                .find_map(|name| members.get(*name).filter(|value| !value.is_null()));
            // The phantom token forms may leave `active` out.
            match members.get("active") {
                None if brought.is_some() => {}
                _ if !is_active(&members)? => return Ok(None),
                _ => {}
            }
            match brought {
                Some(Value::String(brought)) => of_jwt(brought.as_bytes(), &members).map(Some),
                Some(_) => Err(NO_JWT),
                None => of_active_jwt(token, &members).map(Some),
            }
        }
        (AnswerForm::Jwt, _) => Err(Unusable(
            "the introspection answer is neither application/jwt nor application/json",
        )),
        (AnswerForm::Claims(headers), b"application/json") => of_members(&object(body)?, headers),
        (AnswerForm::Claims(_), _) => Err(Unusable("the introspection answer is not application/json")),
        (AnswerForm::Rfc9701 { issuer, headers }, b"application/token-introspection+jwt") => {
            let claims = jwt::introspection_claims(body.trim_ascii()).ok_or(Unusable(
                "the introspection answer is no signed introspection response (RFC 9701)",
            ))?;
            if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
                return Err(Unusable(
                    "the introspection answer is signed by another issuer than `issuer`",
                ));
            }
            if !jwt::has_audience(&claims, &stage.client_id) {
                return Err(Unusable("the introspection answer is for another client"));
            }
            if expiry(&claims)?.is_some_and(|expiry| expiry <= now) {
                return Err(Unusable(
                    "the signed introspection answer has expired by this clock: compare the clocks",
                ));
            }
            match claims.get("token_introspection") {
                Some(Value::Object(members)) => of_members(members, headers),
                _ => Err(Unusable("the signed introspection answer has no `token_introspection`")),
            }
        }
        (AnswerForm::Rfc9701 { .. }, _) => Err(Unusable(
            "the introspection answer is not application/token-introspection+jwt",
        )),
    }
}

const NO_JWT: Unusable = Unusable("the introspection answer holds no JWT that may be forwarded");

/// A JWT that an answer with these members brought.
fn of_jwt(brought: &[u8], members: &Map<String, Value>) -> Result<Known, Unusable> {
    let claims = jwt::access_token_claims(brought).ok_or(NO_JWT)?;
    let grant = Grant::of_claims(&claims, bearer(brought))?.bound_as_well_by(members)?;
    let expires_at = [expiry(&claims)?, expiry(members)?].into_iter().flatten().min();
    Ok(Known { grant, expires_at })
}

/// A token that is a JWT itself, and that the server calls active without bringing another: the API gets the token. What the
/// answer says of scopes and audience goes before what the token says: the server may know of less by now.
fn of_active_jwt(token: &[u8], members: &Map<String, Value>) -> Result<Known, Unusable> {
    const NOTHING: Unusable = Unusable(
        "the introspection answer has no `jwt` or `phantom_token`, and the token is no JWT itself, so there is nothing for the API",
    );
    let mut claims = jwt::access_token_claims(token).ok_or(NOTHING)?;
    let own_expiry = expiry(&claims)?;
    for names in [&["scope", "scp"][..], &["aud"]] {
        if names.iter().any(|name| members.contains_key(*name)) {
            for name in names {
                claims.remove(*name);
                claims.extend(
                    members
                        .get_key_value(*name)
                        .map(|(name, value)| (name.clone(), value.clone())),
                );
            }
        }
    }
    let grant = Grant::of_claims(&claims, bearer(token))?.bound_as_well_by(members)?;
    let expires_at = [own_expiry, expiry(members)?].into_iter().flatten().min();
    Ok(Known { grant, expires_at })
}

/// RFC 7662, 2.2: anything but true is inactive.
fn is_active(members: &Map<String, Value>) -> Result<bool, Unusable> {
    match members.get("active") {
        Some(active) => Ok(*active == Value::Bool(true)),
        None => Err(Unusable("the introspection answer has no `active` member")),
    }
}

/// An answer of claims alone.
fn of_members(members: &Map<String, Value>, headers: &[ClaimToHeader]) -> Result<Option<Known>, Unusable> {
    if !is_active(members)? {
        return Ok(None);
    }
    let mut lines = Vec::with_capacity(headers.len());
    for ClaimToHeader {
        header_name,
        claim_name,
        required,
    } in headers
    {
        let Some(value) = members.get(claim_name).filter(|value| !value.is_null()) else {
            if *required {
                return Err(Unusable("its answer lacks a claim that `claim_to_headers` requires"));
            }
            // What the server does not say is not said to the API either.
            continue;
        };
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if HeaderValue::from_bytes(text.as_bytes()).is_err() {
            return Err(Unusable(
                "the introspection answer has a claim that cannot stand in a header",
            ));
        }
        lines.push((header_name.clone(), text.into_bytes()));
    }
    Ok(Some(Known {
        grant: Grant::of_claims(members, lines)?,
        expires_at: expiry(members)?,
    }))
}

fn bearer(token: &[u8]) -> Vec<(String, Vec<u8>)> {
    vec![("authorization".to_owned(), [b"Bearer ", token].concat())]
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Unusable> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Unusable("the introspection answer is not a JSON object")),
    }
}

fn expiry(claims: &Map<String, Value>) -> Result<Option<u64>, Unusable> {
    jwt::expiry(claims).map_err(|()| Unusable("the introspection answer has an `exp` that is not a number"))
}

/// What a token that is a JWT already says of itself, `None` for other tokens. The API validates it: what it says can only
/// make us refuse. `Err`: it has expired, or says something that cannot be understood.
pub(crate) fn self_contained(token: &[u8], now: u64) -> Option<Result<(Grant, u64), &'static str>> {
    let claims = jwt::access_token_claims(token)?;
    let expires_at = match expiry(&claims) {
        Ok(expiry) => expiry.unwrap_or(u64::MAX),
        Err(_) => return Some(Err("the JWT has an `exp` that is not a number")),
    };
    if expires_at <= now {
        return Some(Err("the JWT has expired"));
    }
    let grant = Grant::of_claims(&claims, bearer(token))
        .map_err(|_| "the JWT has a `cnf` that cannot be understood, or that has two keys");
    Some(grant.map(|grant| (grant, expires_at)))
}
