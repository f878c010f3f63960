//! The `Set-Cookie` lines of a response.
//!
//! A browser keeps a cookie under its name, Domain and Path: clearing one repeats all three, or it survives.

use bff_core::cookie::purpose::Purpose;

use super::other_shapes::{self, Shape};
use super::request::RequestCookies;
use super::settings::CookieSettings;

/// Longest value of one cookie, in bytes. Browsers take 4,096 for name and value together (RFC 6265bis, section 5.6).
const MAX_VALUE_BYTES: usize = 3_800;

/// What many servers allow for all headers of a request together, in bytes (nginx, Node.js and others have 8 or 16 KiB).
const COMMON_HEADER_LIMIT: usize = 8 * 1024;

/// The attributes with which a cookie goes.
const CLEARED: &str = "; SameSite=Strict; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";

/// A value is too long to be split over as many cookies as are allowed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the token for cookie {name} takes {bytes} bytes when sealed; at most {max_bytes} fit: ask the authorization server for \
     shorter tokens"
)]
pub struct CookieTooLong {
    /// The cookie's name.
    pub name: String,
    /// Its sealed length in bytes.
    pub bytes: usize,
    /// How many bytes would have fitted.
    pub max_bytes: usize,
}

/// `SameSite` of a cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SameSite {
    /// It comes along from pages of this site only.
    Strict,
    /// And with a navigation from elsewhere.
    Lax,
}

impl std::fmt::Display for SameSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
        })
    }
}

/// Collects the cookies that a response sets and clears, in order.
pub struct SetCookies<'a, 'b> {
    request: &'a RequestCookies<'b>,
    settings: &'a CookieSettings,
    /// Whether the browser holds cookies of the session back from this request.
    withheld: bool,
    lines: Vec<String>,
}

impl<'a, 'b> SetCookies<'a, 'b> {
    /// No lines yet. The request's cookies tell which parts of an earlier value are left over.
    pub fn new(request: &'a RequestCookies<'b>) -> SetCookies<'a, 'b> {
        SetCookies {
            request,
            settings: request.settings(),
            withheld: false,
            lines: Vec::new(),
        }
    }

    /// For the answer to a navigation from another site. The browser sends no `SameSite=Strict` cookie with that, so the
    /// request does not tell what is left over of an earlier session: whatever could be is cleared.
    pub fn for_navigation(request: &'a RequestCookies<'b>) -> SetCookies<'a, 'b> {
        SetCookies {
            withheld: true,
            ..SetCookies::new(request)
        }
    }

    /// Sets a cookie to a sealed value. With `lifetime` (seconds) it outlives the browser, for that long.
    pub fn set(&mut self, purpose: Purpose, sealed: &str, lifetime: Option<u64>) -> Result<(), CookieTooLong> {
        self.set_with(purpose, sealed, lifetime, SameSite::Strict)
    }

    /// As [`SetCookies::set`], with another `SameSite`.
    pub fn set_with(
        &mut self,
        purpose: Purpose,
        sealed: &str,
        lifetime: Option<u64>,
        same_site: SameSite,
    ) -> Result<(), CookieTooLong> {
        let settings = self.settings;
        let name = settings.name(purpose);
        let max_bytes = MAX_VALUE_BYTES.saturating_mul(settings.max_parts);
        if sealed.len() > max_bytes {
            return Err(CookieTooLong {
                name: name.to_owned(),
                bytes: sealed.len(),
                max_bytes,
            });
        }
        let lifetime = lifetime
            .map(|seconds| format!("; Max-Age={seconds}"))
            .unwrap_or_default();
        let attributes = format!("; SameSite={same_site}{lifetime}");
        if sealed.len() <= MAX_VALUE_BYTES {
            self.line(purpose, name, sealed, &attributes);
            self.clear_parts(purpose, 1);
            return Ok(());
        }
        // Sealed values are base64url: each byte is a character.
        let mut parts = 0;
        for part in sealed.as_bytes().chunks(MAX_VALUE_BYTES) {
            parts += 1;
            self.line(
                purpose,
                &format!("{name}.{parts}"),
                &String::from_utf8_lossy(part),
                &attributes,
            );
        }
        if self.may_have_whole(purpose) {
            self.clear_name(purpose, name);
        }
        self.clear_parts(purpose, parts + 1);
        Ok(())
    }

    /// Clears a cookie, and every part of it that the request brought.
    pub fn clear(&mut self, purpose: Purpose) {
        self.clear_name(purpose, self.settings.name(purpose));
        self.clear_parts(purpose, 1);
    }

    /// Clears a cookie only if the request brought it or a part of it.
    pub fn clear_if_sent(&mut self, purpose: Purpose) {
        let name = self.settings.name(purpose);
        if self.may_have_whole(purpose) {
            self.clear_name(purpose, name);
        }
        self.clear_parts(purpose, 1);
    }

    /// Clears what an earlier configuration, or a sibling domain, may have left: in front of what is set, so that a browser
    /// that takes two shapes for one keeps the latter.
    pub fn clear_other_shapes(&mut self) {
        let shapes = match self.withheld {
            true => other_shapes::of_withheld(self.request),
            false => other_shapes::of_all(self.request),
        };
        self.clear_shapes(&shapes);
    }

    /// Clears what is in another shape than today's and came under a name that came twice.
    pub fn clear_repeated(&mut self) {
        self.clear_shapes(&other_shapes::of_repeated(self.request));
    }

    fn clear_shapes(&mut self, shapes: &[Shape]) {
        for Shape { name, path, domain } in shapes {
            self.line_at(name, path, domain.as_deref(), "", CLEARED);
        }
    }

    /// Clears a session's four cookies.
    pub fn clear_session(&mut self) {
        self.clear_other_shapes();
        for purpose in [
            Purpose::RefreshToken,
            Purpose::AccessToken,
            Purpose::IdToken,
            Purpose::Csrf,
        ] {
            self.clear(purpose);
        }
    }

    /// Says in the log if the browser will send more than common servers take. The session may work all the same.
    pub fn warn_if_large(&self) {
        let sent = |line: &String| line.split(';').next().map_or(0, str::len);
        let bytes: usize = self.lines.iter().map(sent).sum();
        if bytes > COMMON_HEADER_LIMIT {
            log::warn!(
                "the cookies of a session take {bytes} bytes, more than many servers allow for a request's headers \
                 ({COMMON_HEADER_LIMIT}): ask the authorization server for shorter tokens"
            );
        }
    }

    /// The settings by which they are written.
    pub fn settings(&self) -> &'a CookieSettings {
        self.settings
    }

    /// The lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }

    fn clear_parts(&mut self, purpose: Purpose, first: usize) {
        let mut numbers = self.request.parts(purpose);
        // A CSRF value is never split.
        if self.is_withheld(purpose) && purpose != Purpose::Csrf {
            numbers.extend(1..=self.settings.max_parts);
            numbers.sort_unstable();
            numbers.dedup();
        }
        for number in numbers.into_iter().filter(|number| *number >= first) {
            self.clear_name(purpose, &format!("{}.{number}", self.settings.name(purpose)));
        }
    }

    fn may_have_whole(&self, purpose: Purpose) -> bool {
        self.is_withheld(purpose) || self.request.has_whole(purpose)
    }

    /// The navigation's own login cookie is there to come along, and that of pages is none of its business.
    fn is_withheld(&self, purpose: Purpose) -> bool {
        self.withheld && !matches!(purpose, Purpose::Login | Purpose::NavigationLogin)
    }

    fn clear_name(&mut self, purpose: Purpose, name: &str) {
        self.line(purpose, name, "", CLEARED);
    }

    fn line(&mut self, purpose: Purpose, name: &str, value: &str, attributes: &str) {
        let settings = self.settings;
        self.line_at(
            name,
            settings.path(purpose),
            settings.domain.as_deref(),
            value,
            attributes,
        );
    }

    fn line_at(&mut self, name: &str, path: &str, domain: Option<&str>, value: &str, attributes: &str) {
        let domain = domain.map(|domain| format!("; Domain={domain}")).unwrap_or_default();
        self.lines.push(format!(
            "{name}={value}; Path={path}{domain}; Secure; HttpOnly{attributes}"
        ));
    }
}
