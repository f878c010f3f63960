//! What a request must show before it is let in: hygiene, Origin, CSRF, and a token (`docs/CONTRACT.md`, section 3).

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::cache::Key;
use crate::config::{BffToken, Config, PhantomToken};
use crate::cookie::CookieJar;
use crate::csrf;
use crate::ended::EndedSessions;
use crate::fetch_metadata::FetchSite;
use crate::head::{Head, Lines};
use crate::keys::KeyId;
use crate::reply::Refusal;
use crate::seal::{Opened, Purpose};

/// Into how many cookies a value may be split.
const MAX_COOKIE_PARTS: usize = 5;
/// The longest bearer token that is looked at, in bytes.
const MAX_TOKEN_LEN: usize = 16 * 1024;

/// How a request's head is changed before it goes upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Headers that go.
    pub remove: Vec<String>,
    /// Headers that get this one value.
    pub set: Vec<(&'static str, Vec<u8>)>,
}

/// A request that showed what it must.
pub(crate) struct Admission {
    pub(crate) token: Zeroizing<Vec<u8>>,
    pub(crate) edits: Edits,
    /// Whether it came as a bearer token, so that refusals say so.
    pub(crate) bearer: bool,
    /// The key that opened the cookie.
    pub(crate) key_id: Option<KeyId>,
}

/// A request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the caller is told.
    pub refusal: Refusal,
    /// RFC 6750, 3.1: the `error` of a `WWW-Authenticate: Bearer`, where one was sent and is no good.
    pub bearer_error: Option<&'static str>,
    /// What the log is told.
    pub why: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.refusal.status(), self.refusal.code(), self.why)
    }
}

impl Refused {
    pub(crate) const fn new(refusal: Refusal, why: &'static str) -> Self {
        Self {
            refusal,
            bearer_error: None,
            why,
        }
    }

    const fn unauthorized(why: &'static str) -> Self {
        Self::new(Refusal::Unauthorized, why)
    }

    /// The value of `WWW-Authenticate` (RFC 6750, 3), where a bearer token was expected. `scopes` are those that the entry
    /// point requires.
    pub fn challenge(&self, scopes: &[String]) -> Option<String> {
        match (self.refusal, self.bearer_error) {
            (Refusal::Forbidden, Some(error)) => {
                Some(format!("Bearer error=\"{error}\", scope=\"{}\"", scopes.join(" ")))
            }
            (Refusal::BearerUnauthorized, Some(error)) => Some(format!("Bearer error=\"{error}\"")),
            (Refusal::BearerUnauthorized, None) => Some("Bearer".to_owned()),
            _ => None,
        }
    }

    /// The token was looked at and is no good.
    pub(crate) const fn token(bearer: bool, why: &'static str) -> Self {
        if bearer {
            Self {
                refusal: Refusal::BearerUnauthorized,
                bearer_error: Some("invalid_token"),
                why,
            }
        } else {
            Self::unauthorized(why)
        }
    }
}

/// Applies the stages' checks to a head.
pub(crate) fn admit(config: &Config, head: &Head, ended: &EndedSessions, now: u64) -> Result<Admission, Refused> {
    let mut edits = hygiene(config, head);
    let opened = match &config.bff_token {
        Some(stage) => by_cookie(stage, head, &mut edits, now)?,
        None => None,
    };
    let is_over = |opened: &Opened| {
        opened
            .session
            .is_some_and(|session| ended.contains(&session, opened.issued_at))
    };
    if opened.as_ref().is_some_and(is_over) {
        return Err(Refused::unauthorized("the session was ended"));
    }
    let (token, bearer, key_id) = match opened {
        Some(opened) => (opened.value, false, Some(opened.key_id)),
        None => (bearer_token(head)?, true, None),
    };
    if !is_token(&token) {
        return Err(Refused::token(bearer, "the token has characters that no token has"));
    }
    Ok(Admission {
        token,
        edits,
        bearer,
        key_id,
    })
}

/// What goes from every request, however it is let in: the CSRF header in any spelling. `_` is `-` to many frameworks, and
/// Envoy drops such headers only where it is told to. `Authorization`, which has no other spelling, is set anew on every
/// request that is forwarded, so a client's own never travels beside ours.
fn hygiene(config: &Config, head: &Head) -> Edits {
    let mut edits = Edits::default();
    let csrf = config.bff_token.as_ref().map(|stage| stage.csrf_header.as_str());
    for name in head.names() {
        if csrf == Some(name.replace('_', "-").as_str()) && !edits.remove.iter().any(|other| other == name) {
            edits.remove.push(name.to_owned());
        }
    }
    edits
}

/// The cookie stage. `None`: the request has none of our cookies and may use a bearer token instead.
fn by_cookie(stage: &BffToken, head: &Head, edits: &mut Edits, now: u64) -> Result<Option<Opened>, Refused> {
    let jar = CookieJar::parse(head.all("cookie"));
    if stage.allow_tokens && head.one("authorization") != Lines::None && !jar.has_ours(&stage.names) {
        return Ok(None);
    }
    check_origin(stage, head)?;

    for name in [&stage.names.login, &stage.names.refresh_token, &stage.names.id_token] {
        // They are of no use here, but a request with two of them has been tampered with.
        jar.get(name, MAX_COOKIE_PARTS)
            .map_err(|_| Refused::unauthorized("a cookie of ours is repeated or has wrong parts"))?;
    }
    let open = |name: &str, purpose: Purpose, missing: &'static str, shut: &'static str| {
        let value = jar
            .get(name, MAX_COOKIE_PARTS)
            .map_err(|_| Refused::unauthorized("a cookie of ours is repeated or has wrong parts"))?;
        let value = value.ok_or(Refused::unauthorized(missing))?;
        stage
            .sealer
            .open(purpose, &value, now)
            .map_err(|_| Refused::unauthorized(shut))
    };
    let access_token = open(
        &stage.names.access_token,
        Purpose::AccessToken,
        "there is no access token cookie",
        "the access token cookie does not open",
    );
    if stage.verify_csrf && (stage.require_header || !head.is_safe()) {
        let cookie = open(
            &stage.names.csrf,
            Purpose::Csrf,
            "there is no CSRF cookie",
            "the CSRF cookie does not open",
        )?;
        let header = match head.one(&stage.csrf_header) {
            Lines::One(value) => Some(value),
            Lines::None => None,
            Lines::Several => return Err(Refused::unauthorized("the CSRF header is repeated")),
        };
        let session = access_token.as_ref().map_or(None, |opened| opened.session);
        if !csrf::matches(header, &cookie, session) {
            return Err(Refused::unauthorized(
                "the CSRF header is not what the CSRF cookie of this session holds",
            ));
        }
    }
    let opened = access_token?;
    if jar.has_ours(&stage.names) {
        match jar.without(&stage.names) {
            Some(rest) => edits.set.push(("cookie", rest)),
            None => edits.remove.push("cookie".to_owned()),
        }
    }
    Ok(Some(opened))
}

/// Origin and Fetch Metadata.
fn check_origin(stage: &BffToken, head: &Head) -> Result<(), Refused> {
    let trusted = match head.one("origin") {
        Lines::None => false,
        Lines::One(origin) if stage.origins.is_trusted(origin) => true,
        _ => return Err(Refused::unauthorized("the Origin is not trusted")),
    };
    let sites = || head.all("sec-fetch-site").map(|site| FetchSite::parse(Some(site)));
    if sites().any(|site| site == FetchSite::CrossSite) {
        return Err(Refused::unauthorized("Sec-Fetch-Site is cross-site"));
    }
    if !trusted && sites().any(|site| site == FetchSite::SameSite) {
        let navigates =
            head.one(":method") == Lines::One(b"GET") && head.one("sec-fetch-mode") == Lines::One(b"navigate");
        if !(stage.allow_navigation && navigates) {
            return Err(Refused::unauthorized(
                "Sec-Fetch-Site is same-site and there is no trusted Origin",
            ));
        }
    }
    if !trusted && (!head.is_safe() || head.is_upgrade()) {
        return Err(Refused::unauthorized("there is no Origin"));
    }
    Ok(())
}

/// The token of `Authorization: Bearer` (RFC 6750, 2.1). Tokens in the query or a form are never looked for.
fn bearer_token(head: &Head) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let value = match head.one("authorization") {
        Lines::One(value) => value,
        Lines::None => return Err(Refused::new(Refusal::BearerUnauthorized, "there is no bearer token")),
        Lines::Several => return Err(Refused::token(true, "Authorization is repeated")),
    };
    let not_bearer = Refused::new(Refusal::BearerUnauthorized, "Authorization is not of the Bearer scheme");
    let (scheme, token) = value.split_at_checked(6).ok_or(not_bearer)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") || token.first() != Some(&b' ') {
        return Err(not_bearer);
    }
    Ok(Zeroizing::new(token.trim_ascii_start().to_vec()))
}

/// RFC 6750, 2.1: `b64token`. Anything else must not reach a header or a form.
fn is_token(token: &[u8]) -> bool {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    !token.is_empty() && token.len() <= MAX_TOKEN_LEN && token.iter().all(legal)
}

/// What an answer of the authorization server depends on, as one hash: the token, and everything of the stage that
/// decides what is made of the answer.
pub(crate) fn cache_key(stage: &PhantomToken, token: &[u8]) -> Key {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        // Each part with its length before it, so that no two lists of parts are the same bytes.
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    };
    for text in [&stage.authority, &stage.path, &stage.cluster, &stage.client_id] {
        part(text.as_bytes());
    }
    part(stage.required_audience.as_deref().unwrap_or_default().as_bytes());
    part(stage.required_scopes.join(" ").as_bytes());
    part(token);
    hash.finalize().into()
}
