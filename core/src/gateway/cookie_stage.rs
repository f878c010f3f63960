//! What a request must show before it is let in: hygiene, Origin, CSRF, and a token (`docs/CONTRACT.md`, section 3).

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::cookie::jar::{CookieJar, MAX_PARTS};
use crate::cookie::seal::{OpenError, Purpose};
use crate::error_code::Refusal;
use crate::gateway::config::{BffToken, Config};
use crate::gateway::cookie_cache::{Found, OpenedCookies};
use crate::gateway::token_info::Grant;
use crate::request::access_token;
use crate::request::fetch_metadata::FetchSite;
use crate::request::head::{Head, Lines};
use crate::session::csrf;
use crate::session::current_session::{CurrentSession, DifferentSessions};
use crate::session::ended_sessions::EndedSessions;

/// How a request's head is changed before it goes upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Headers that go.
    pub remove: SmallVec<[Cow<'static, str>; 3]>,
    /// The application's own cookies, where ours stood among them.
    cookie: Option<Vec<u8>>,
    /// What the token is worth.
    grant: Option<Rc<Grant>>,
}

impl Edits {
    /// Headers that get this one value.
    pub fn set(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let cookie = self.cookie.iter().map(|rest| ("cookie", rest.as_slice()));
        let grant = self.grant.iter().flat_map(|grant| grant.headers());
        cookie.chain(grant)
    }

    /// With what the token is worth: the client's own `Authorization` never travels beside it.
    pub(crate) fn with(mut self, grant: Rc<Grant>) -> Self {
        if !grant.headers().any(|(name, _)| name == "authorization") {
            self.remove.push(Cow::Borrowed("authorization"));
        }
        self.grant = Some(grant);
        self
    }
}

/// A request that showed what it must.
pub(crate) struct Admission {
    pub(crate) credential: Credential,
    pub(crate) edits: Edits,
}

/// What it showed.
pub(crate) enum Credential {
    Cookie(Found),
    Bearer(Zeroizing<Vec<u8>>),
}

/// A request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the caller is told.
    pub refusal: Refusal,
    /// RFC 6750, section 3.1: the `error` of a `WWW-Authenticate: Bearer`, where a bearer token was sent and is no good.
    pub bearer_error: Option<&'static str>,
    /// The scopes that the request needs, where the token lacks one of them.
    pub scopes: Vec<String>,
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
            scopes: Vec::new(),
            why,
        }
    }

    const fn unauthorized(why: &'static str) -> Self {
        Self::new(Refusal::Unauthorized, why)
    }

    /// The value of `WWW-Authenticate` (RFC 6750, section 3), where a bearer token was expected. The scheme alone is none:
    /// it takes a parameter.
    pub fn challenge(&self) -> Option<String> {
        if self.refusal != Refusal::BearerUnauthorized && self.bearer_error.is_none() {
            return None;
        }
        let mut challenge = "Bearer realm=\"api\"".to_owned();
        if let Some(error) = self.bearer_error {
            challenge.push_str(", error=\"");
            challenge.push_str(error);
            challenge.push('"');
        }
        if !self.scopes.is_empty() {
            challenge.push_str(", scope=\"");
            challenge.push_str(&self.scopes.join(" "));
            challenge.push('"');
        }
        Some(challenge)
    }

    /// The credentials are malformed, or there are several.
    const fn malformed(why: &'static str) -> Self {
        Self {
            refusal: Refusal::MalformedCredentials,
            bearer_error: Some("invalid_request"),
            scopes: Vec::new(),
            why,
        }
    }

    /// The token was looked at and is no good.
    pub(crate) const fn token(bearer: bool, why: &'static str) -> Self {
        if bearer {
            Self {
                refusal: Refusal::BearerUnauthorized,
                bearer_error: Some("invalid_token"),
                scopes: Vec::new(),
                why,
            }
        } else {
            Self::unauthorized(why)
        }
    }
}

/// Applies the stages' checks to a head.
pub(crate) fn admit(
    config: &Config,
    cookies: &mut OpenedCookies,
    head: &Head,
    ended: &EndedSessions,
    now: u64,
) -> Result<Admission, Refused> {
    let mut edits = hygiene(config, head);
    let found = match &config.bff_token {
        Some(stage) => by_cookie(stage, cookies, head, &mut edits, now)?,
        None => None,
    };
    let is_over = |found: &Found| {
        let content = &found.cookie.content;
        content
            .session
            .is_some_and(|session| ended.contains(&session, content.began_at))
    };
    if found.as_ref().is_some_and(is_over) {
        return Err(Refused::unauthorized("the session was ended"));
    }
    let asks_routes = config
        .phantom_token
        .as_ref()
        .is_some_and(|stage| stage.route_metadata.is_some());
    if asks_routes && may_have_selected_the_route(config, head, found.is_some()) {
        return Err(Refused::new(
            Refusal::MalformedCredentials,
            "a header that is not the client's to send may have selected the route",
        ));
    }
    let credential = match found {
        Some(found) => Credential::Cookie(found),
        None => Credential::Bearer(bearer_token(head)?),
    };
    Ok(Admission { credential, edits })
}

/// Whether there are headers by which a client could have the route of others selected: they are taken away, and then Envoy
/// selects the route again, while it says what that requires only when it is too late. The CSRF header is not among them: it
/// is a browser's to send.
fn may_have_selected_the_route(config: &Config, head: &Head, by_cookie: bool) -> bool {
    let stages = config.phantom_token.iter();
    let mut identity_headers = stages.flat_map(|stage| stage.answer.identity_headers());
    identity_headers.any(|name| head.spellings(name).next().is_some())
        || by_cookie && head.one("authorization") != Lines::None
}

/// The CSRF header, and the identity headers that the filter itself sets: the API never sees a client's own.
pub fn own_headers(config: &Config) -> impl Iterator<Item = &str> {
    let csrf = config.bff_token.iter().map(|stage| stage.csrf_header.as_str());
    let stages = config.phantom_token.iter();
    csrf.chain(stages.flat_map(|stage| stage.answer.identity_headers()))
}

/// What goes from every request, however it is let in: the CSRF header and the identity headers that the filter itself
/// sets, in any spelling. What is neither letter nor digit is `-` to many frameworks, and Envoy drops such headers only where
/// it is told to, and only those with `_`.
/// `Authorization`, which has no other spelling, is set anew or removed on every request that is forwarded.
fn hygiene(config: &Config, head: &Head) -> Edits {
    let mut edits = Edits::default();
    for ours in own_headers(config) {
        for name in head.spellings(ours) {
            if let Ok(name) = std::str::from_utf8(name)
                && !edits.remove.iter().any(|other| other == name)
            {
                edits.remove.push(Cow::Owned(name.to_owned()));
            }
        }
    }
    edits
}

/// The cookie stage. `None`: the request has none of our cookies and may use a bearer token instead.
fn by_cookie(
    stage: &BffToken,
    cookies: &mut OpenedCookies,
    head: &Head,
    edits: &mut Edits,
    now: u64,
) -> Result<Option<Found>, Refused> {
    let jar = CookieJar::parse(head.all("cookie"), &stage.names);
    let has_session = jar.has(Purpose::AccessToken) || jar.has(Purpose::Csrf);
    if stage.allow_tokens && !has_session && head.one("authorization") != Lines::None {
        // What other hosts may have set under our names neither counts nor travels on.
        if jar.has_ours() || !stage.drop_cookies.is_empty() {
            leave_the_applications(stage, &jar, edits);
        }
        return Ok(None);
    }
    let is_safe = head.is_safe();
    check_origin(stage, head, is_safe)?;

    // The refresh token, the ID token and pending logins are of no use here, and who set them is not known.
    let found = open_access_token(stage, cookies, &jar, now)?;
    if stage.verify_csrf && (stage.require_header || !is_safe) {
        let session = CurrentSession::of_access_token(found.cookie.content.session);
        check_csrf(stage, cookies, head, &jar, &session, now)?;
    }
    // Of a grant that is known this was looked at when it was made.
    if found.grant.is_none() {
        access_token::check(&found.cookie.content.value).map_err(Refused::unauthorized)?;
    }
    leave_the_applications(stage, &jar, edits);
    Ok(Some(found))
}

/// What of the cookies goes on to the API.
fn leave_the_applications(stage: &BffToken, jar: &CookieJar, edits: &mut Edits) {
    edits.cookie = jar.without(&stage.drop_cookies);
    if edits.cookie.is_none() {
        edits.remove.push(Cow::Borrowed("cookie"));
    }
}

/// The access token's cookie.
fn open_access_token(
    stage: &BffToken,
    cookies: &mut OpenedCookies,
    jar: &CookieJar<'_>,
    now: u64,
) -> Result<Found, Refused> {
    let shut = || Refused::unauthorized("the access token cookie does not open");
    let values = jar.values(Purpose::AccessToken, MAX_PARTS);
    let value = match values.as_slice() {
        [] => return Err(Refused::unauthorized("there is no access token cookie")),
        [value] => value,
        several => newest(stage, several)?.ok_or_else(shut)?,
    };
    cookies
        .open(&stage.sealer, Purpose::AccessToken, value, now)
        .map_err(|_: OpenError| shut())
}

/// Of several access tokens the one that ends last, where they are of one session.
fn newest<'a>(stage: &BffToken, values: &'a [Cow<'_, [u8]>]) -> Result<Option<&'a Cow<'a, [u8]>>, Refused> {
    let open = |value: &'a Cow<'_, [u8]>| {
        let opened = stage.sealer.open_even_expired(Purpose::AccessToken, value).ok()?;
        Some((value, opened))
    };
    let opened: SmallVec<[_; 4]> = values.iter().filter_map(open).collect();
    match CurrentSession::named_by(opened.iter().map(|(_, opened)| opened.session), []) {
        Ok(_) => {
            let newest = opened.iter().max_by_key(|(_, opened)| opened.expires_at);
            Ok(newest.map(|(value, _)| *value))
        }
        Err(DifferentSessions) => Err(Refused::unauthorized("access token cookies of different sessions")),
    }
}

/// The CSRF header repeats what a CSRF cookie of the session holds.
fn check_csrf(
    stage: &BffToken,
    cookies: &mut OpenedCookies,
    head: &Head,
    jar: &CookieJar<'_>,
    session: &CurrentSession,
    now: u64,
) -> Result<(), Refused> {
    let header = match head.one(&stage.csrf_header) {
        Lines::One(value) => Some(value),
        Lines::None => None,
        Lines::Several => return Err(Refused::unauthorized("the CSRF header is repeated")),
    };
    let mut why = "there is no CSRF cookie";
    for value in jar.values(Purpose::Csrf, MAX_PARTS) {
        why = match cookies.open(&stage.sealer, Purpose::Csrf, &value, now) {
            Ok(found) if csrf::matches(header, &found.cookie.content, session) => return Ok(()),
            Ok(_) => "the CSRF header is not what the CSRF cookie of this session holds",
            Err(_) => "the CSRF cookie does not open",
        };
    }
    Err(Refused::unauthorized(why))
}

/// Origin and Fetch Metadata.
fn check_origin(stage: &BffToken, head: &Head, is_safe: bool) -> Result<(), Refused> {
    let trusted = match head.one("origin") {
        Lines::None => false,
        Lines::One(origin) if stage.origins.is_trusted(origin) => true,
        _ => return Err(Refused::unauthorized("the Origin is not trusted")),
    };
    for site in head.all("sec-fetch-site") {
        match FetchSite::parse(Some(site)) {
            FetchSite::CrossSite => return Err(Refused::unauthorized("Sec-Fetch-Site is cross-site")),
            FetchSite::SameSite if !(trusted || stage.allow_navigation && navigates(head)) => {
                return Err(Refused::unauthorized(
                    "Sec-Fetch-Site is same-site and there is no trusted Origin",
                ));
            }
            _ => {}
        }
    }
    if !trusted && (!is_safe || head.is_upgrade()) {
        return Err(Refused::unauthorized("there is no Origin"));
    }
    Ok(())
}

/// Whether a link is followed, or an address opened.
fn navigates(head: &Head) -> bool {
    head.one(":method") == Lines::One(b"GET") && head.one("sec-fetch-mode") == Lines::One(b"navigate")
}

/// The token of `Authorization: Bearer` (RFC 6750, section 2.1). Tokens in the query or a form are never looked for.
fn bearer_token(head: &Head) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let unauthorized = |why| Refused::new(Refusal::BearerUnauthorized, why);
    let value = match head.one("authorization") {
        Lines::One(value) => value,
        Lines::None => return Err(unauthorized("there is no bearer token")),
        Lines::Several => return Err(Refused::malformed("Authorization is repeated")),
    };
    let is_bearer = |(scheme, rest): &(&[u8], &[u8])| {
        scheme.eq_ignore_ascii_case(b"bearer") && rest.first().is_none_or(|byte| *byte == b' ')
    };
    let (_, token) = value
        .split_at_checked(6)
        .filter(is_bearer)
        .ok_or_else(|| unauthorized("Authorization is not of the Bearer scheme"))?;
    let token = token.trim_ascii_start();
    access_token::check(token).map_err(Refused::malformed)?;
    Ok(Zeroizing::new(token.to_vec()))
}
