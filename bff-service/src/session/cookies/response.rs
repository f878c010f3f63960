//! The `Set-Cookie` lines of a response.
//!
//! A browser stores a cookie under its name, Domain and Path: to clear a cookie, all three must be the same.

use bff_core::cookie::purpose::Purpose;

use super::other_shapes::{self, Shape};
use super::request::RequestCookies;
use super::settings::{self, CookieSettings};

/// Maximum length of the value of one cookie, in bytes. Browsers accept 4,096 bytes for name and value together
/// (draft-ietf-httpbis-rfc6265bis, section 5.6).
const MAX_VALUE_BYTES: usize = 3_800;

/// Maximum length of all headers of a request at common servers, in bytes (nginx, Node.js and others accept 8 or 16 KiB).
const COMMON_MAX_HEADER_BYTES: usize = 8 * 1024;

/// The attributes of a cleared cookie.
const CLEARED: &str = "; SameSite=Strict; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";

/// A value is longer than the allowed number of cookies can hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cookie {name} is too long: {bytes} bytes, the maximum is {max_bytes} bytes: configure the authorization server to \
     issue shorter tokens, or raise `max_cookie_parts`"
)]
pub struct CookieTooLong {
    /// The cookie's name.
    pub name: String,
    /// Its sealed length, in bytes.
    pub bytes: usize,
    /// The maximum length, in bytes.
    pub max_bytes: usize,
}

/// `SameSite` of a cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SameSite {
    /// The browser sends the cookie only with requests from this site.
    Strict,
    /// The browser also sends the cookie with a top-level navigation from another site.
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

/// The cookies that a response sets and clears, in order.
pub struct SetCookies<'a, 'b> {
    request: &'a RequestCookies<'b>,
    settings: &'a CookieSettings,
    /// Whether the browser may have withheld the session cookies from this request.
    withheld: bool,
    lines: Vec<String>,
}

impl<'a, 'b> SetCookies<'a, 'b> {
    /// Starts without lines. The request's cookies show which parts of an earlier value must be cleared.
    pub fn new(request: &'a RequestCookies<'b>) -> SetCookies<'a, 'b> {
        SetCookies {
            request,
            settings: request.settings(),
            withheld: false,
            lines: Vec::new(),
        }
    }

    /// Starts the cookies of the response to a navigation, which may come from another site. The browser then sends no
    /// `SameSite=Strict` cookie, so the request may not show the cookies of an earlier session, and all possible ones
    /// are cleared.
    pub fn for_navigation(request: &'a RequestCookies<'b>) -> SetCookies<'a, 'b> {
        SetCookies {
            withheld: true,
            ..SetCookies::new(request)
        }
    }

    /// Sets a cookie to a sealed value. With `lifetime`, the cookie persists for that time, in seconds. Without it, the
    /// cookie persists until the browser closes.
    ///
    /// # Errors
    /// The value does not fit into the allowed number of cookies.
    pub fn set(&mut self, purpose: Purpose, sealed: &str, lifetime: Option<u64>) -> Result<(), CookieTooLong> {
        self.set_with(purpose, sealed, lifetime, SameSite::Strict)
    }

    /// Like [`SetCookies::set`], with another `SameSite`.
    ///
    /// # Errors
    /// The value does not fit into the allowed number of cookies.
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
            self.add_line(purpose, name, sealed, &attributes);
            self.clear_parts(purpose, 1);
            return Ok(());
        }
        // Sealed values are base64url: each byte is one character.
        let mut parts = 0;
        for part in sealed.as_bytes().chunks(MAX_VALUE_BYTES) {
            parts += 1;
            self.add_line(
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

    /// Clears a cookie, and every received part of it.
    pub fn clear(&mut self, purpose: Purpose) {
        self.clear_name(purpose, self.settings.name(purpose));
        self.clear_parts(purpose, 1);
    }

    /// Clears a cookie only if the request contains the cookie or a part of it.
    pub fn clear_if_sent(&mut self, purpose: Purpose) {
        let name = self.settings.name(purpose);
        if self.may_have_whole(purpose) {
            self.clear_name(purpose, name);
        }
        self.clear_parts(purpose, 1);
    }

    /// Clears cookies in other shapes, before the new cookies, so that a browser that treats two shapes as one keeps
    /// the new cookie. Returns whether there are any.
    pub fn clear_other_shapes(&mut self) -> bool {
        let shapes = match self.withheld {
            true => other_shapes::of_withheld(self.request),
            false => other_shapes::of_all(self.request),
        };
        self.clear_shapes(&shapes);
        !shapes.is_empty()
    }

    /// Clears cookies in other shapes whose names were repeated.
    pub fn clear_repeated(&mut self) {
        self.clear_shapes(&other_shapes::of_repeated(self.request));
    }

    fn clear_shapes(&mut self, shapes: &[Shape]) {
        for Shape { name, path, domain } in shapes {
            self.add_line_at(name, path, domain.as_deref(), "", CLEARED);
        }
    }

    /// Clears the cookies of a session, and before them cookies in other shapes.
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
        for purpose in [Purpose::DeviceBinding, Purpose::DeviceKey] {
            self.clear_if_sent(purpose);
        }
    }

    /// If the browser will send more than common servers accept, logs a warning. The session may still work.
    pub fn warn_if_large(&self) {
        let sent = |line: &String| line.split(';').next().map_or(0, str::len);
        let bytes: usize = self.lines.iter().map(sent).sum();
        if bytes > COMMON_MAX_HEADER_BYTES {
            log::warn!(
                "the cookies of a session take {bytes} bytes, and many servers allow {COMMON_MAX_HEADER_BYTES} bytes for all \
                 headers of a request: configure the authorization server to issue shorter tokens"
            );
        }
    }

    /// The cookie settings.
    pub fn settings(&self) -> &'a CookieSettings {
        self.settings
    }

    /// The lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }

    fn clear_parts(&mut self, purpose: Purpose, first: usize) {
        let mut numbers = self.request.parts(purpose);
        // These cookies are never split.
        let is_short = matches!(purpose, Purpose::Csrf | Purpose::DeviceBinding | Purpose::DeviceKey);
        if self.is_withheld(purpose) && !is_short {
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

    /// The navigation cookie is sent with a navigation, and the login cookie is not affected by it. If the application
    /// binds no new sessions, hardly any browser has a device binding cookie and a device key cookie.
    fn is_withheld(&self, purpose: Purpose) -> bool {
        self.withheld
            && match purpose {
                Purpose::Login | Purpose::NavigationLogin => false,
                Purpose::AccessToken | Purpose::RefreshToken | Purpose::IdToken | Purpose::Csrf => true,
                Purpose::DeviceBinding | Purpose::DeviceKey => self.settings.binds_sessions,
            }
    }

    fn clear_name(&mut self, purpose: Purpose, name: &str) {
        self.add_line(purpose, name, "", CLEARED);
    }

    fn add_line(&mut self, purpose: Purpose, name: &str, value: &str, attributes: &str) {
        let settings = self.settings;
        self.add_line_at(
            name,
            settings.path(purpose),
            settings.domain.as_deref(),
            value,
            attributes,
        );
    }

    fn add_line_at(&mut self, name: &str, path: &str, domain: Option<&str>, value: &str, attributes: &str) {
        let place = settings::attributes(path, domain);
        self.lines.push(format!("{name}={value}; {place}{attributes}"));
    }
}
