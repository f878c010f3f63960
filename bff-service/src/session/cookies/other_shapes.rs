//! Cookies of the service that the browser may have in a shape other than the current one: with another `Path`,
//! `Domain` or form of the name. An earlier configuration or a sibling domain has set them. A browser stores a cookie
//! under its name, Domain and Path, and sends all that match: a cookie that is not cleared in its own shape stays
//! beside the new one.
//!
//! A server sees only names and values. It infers other shapes from one of three facts: a repeated name, a name in
//! another form, or the absence of a refresh token cookie that says that the session was written in the current shape.

use std::net::IpAddr;

use bff_core::cookie::name_prefixes::is_host_locked;
use bff_core::cookie::purpose::Purpose;

use super::request::RequestCookies;
use super::settings::CookieSettings;
use crate::config::without_port;
use crate::session::refresh_cookie::RefreshContent;

/// Maximum number of `Set-Cookie` lines for other shapes in a response: proxies limit the size of a response head.
pub const MAX_LINES: usize = 40;

/// Maximum number of parent domains at which cookies are cleared.
const MAX_PARENTS: usize = 4;

const SESSION: [Purpose; 4] = [
    Purpose::RefreshToken,
    Purpose::AccessToken,
    Purpose::IdToken,
    Purpose::Csrf,
];

const LOGINS: [Purpose; 2] = [Purpose::Login, Purpose::NavigationLogin];

/// A place in the cookie store of the browser.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// The cookie's name.
    pub name: String,
    /// Its `Path`.
    pub path: String,
    /// Its `Domain`, if any.
    pub domain: Option<String>,
}

/// The shapes to clear after repeated names.
pub fn of_repeated(request: &RequestCookies<'_>) -> Vec<Shape> {
    let mut shapes = Shapes::new(request);
    shapes.add_repeated();
    shapes.found
}

/// The shapes to clear when a session begins, is refreshed or ends: those in which the browser may have cookies of the
/// service.
pub fn of_all(request: &RequestCookies<'_>) -> Vec<Shape> {
    let mut shapes = Shapes::new(request);
    shapes.add_repeated();
    let other_forms = request.jar().in_other_forms();
    for (purpose, name) in &other_forms {
        shapes.add(*purpose, name, false);
    }
    let has_any = SESSION.iter().any(|purpose| request.jar().has(*purpose));
    if !shapes.found.is_empty() || !other_forms.is_empty() || has_any && !has_current_shape(request) {
        shapes.add_current_names();
    }
    shapes.found
}

/// The shapes to clear if the browser may have withheld the session cookies from the request: those in which a sibling
/// domain or an earlier configuration could have set the cookies that identify the session.
pub fn of_withheld(request: &RequestCookies<'_>) -> Vec<Shape> {
    let mut shapes = Shapes::new(request);
    let settings = request.settings();
    if !is_host_locked(settings.name(Purpose::AccessToken)) {
        shapes.add_current_names();
    }
    shapes.found
}

/// Whether a refresh token cookie says that the session was written in the current shape.
fn has_current_shape(request: &RequestCookies<'_>) -> bool {
    let current = request.settings().shape();
    let opened = request.authentic(Purpose::RefreshToken).opened;
    opened
        .iter()
        .filter_map(RefreshContent::parse)
        .any(|content| content.shape.as_deref() == Some(&*current))
}

struct Shapes<'a, 'b> {
    request: &'a RequestCookies<'b>,
    settings: &'a CookieSettings,
    domains: Vec<Option<String>>,
    found: Vec<Shape>,
}

impl<'a, 'b> Shapes<'a, 'b> {
    fn new(request: &'a RequestCookies<'b>) -> Shapes<'a, 'b> {
        let settings = request.settings();
        let mut domains = vec![None];
        for domain in settings
            .domain
            .clone()
            .into_iter()
            .chain(domains_of(request.place().host))
        {
            if !domains.contains(&Some(domain.clone())) {
                domains.push(Some(domain));
            }
        }
        Shapes {
            request,
            settings,
            domains,
            found: Vec::new(),
        }
    }

    fn add_repeated(&mut self) {
        for purpose in Purpose::ALL {
            for name in self.request.jar().repeated(purpose) {
                self.add(purpose, &name, true);
            }
        }
    }

    fn add_current_names(&mut self) {
        for purpose in SESSION.into_iter().chain(LOGINS) {
            let mut names = self.request.jar().sent(purpose);
            // A cookie may exist at a path that does not match this endpoint. A pending login expires soon.
            if names.is_empty() && !LOGINS.contains(&purpose) {
                names.push(self.settings.name(purpose).to_owned());
            }
            for name in names {
                self.add(purpose, &name, false);
            }
        }
    }

    /// Adds the shapes of a name. `anywhere`: at every Path that matches the request, and not only at those of a
    /// configuration.
    fn add(&mut self, purpose: Purpose, name: &str, anywhere: bool) {
        let mut paths: Vec<&str> = vec!["/"];
        if is_host_locked(name) {
            self.push(purpose, name, "/", None);
            return;
        }
        if purpose.is_for_endpoints_alone() {
            paths.push(&self.settings.endpoints_prefix);
            paths.extend(self.settings.former_paths.iter().map(String::as_str));
        }
        if anywhere {
            let path = self.request.place().path;
            let ends = path.match_indices('/').flat_map(|(at, _)| [at, at + 1]);
            paths.extend(ends.chain([path.len()]).filter_map(|end| path.get(..end)));
        }
        paths.retain(|path| !path.is_empty());
        for path in paths {
            for domain in self.domains.clone() {
                self.push(purpose, name, path, domain);
            }
        }
    }

    fn push(&mut self, purpose: Purpose, name: &str, path: &str, domain: Option<String>) {
        let base = name.split('.').next().unwrap_or_default();
        let is_current = base == self.settings.name(purpose)
            && path == self.settings.path(purpose)
            && domain == self.settings.domain;
        let shape = Shape {
            name: name.to_owned(),
            path: path.to_owned(),
            domain,
        };
        if !is_current && !self.found.contains(&shape) && self.found.len() < MAX_LINES {
            self.found.push(shape);
        }
    }
}

/// The host of a request as a `Domain`, and at most [`MAX_PARENTS`] of its parent domains, without the top-level domain,
/// which no browser accepts.
fn domains_of(host: &str) -> Vec<String> {
    let name = without_port(host);
    let is_label = |label: &str| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_legal)
    };
    if name.parse::<IpAddr>().is_ok() || !name.split('.').all(is_label) {
        return Vec::new();
    }
    let name = name.to_ascii_lowercase();
    let above = name.match_indices('.').filter_map(|(at, _)| name.get(at + 1..));
    let above = above.filter(|domain| domain.contains('.')).take(MAX_PARENTS);
    let host = Some(&*name).filter(|name| name.contains('.'));
    host.into_iter().chain(above).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domains_of_a_host_are_itself_and_those_above_it_but_the_topmost() {
        for (host, expected) in [
            ("API.example.com:8443", &["api.example.com", "example.com"][..]),
            ("api.example.com", &["api.example.com", "example.com"]),
            (
                "a.b.c.d.e.f.example",
                &[
                    "a.b.c.d.e.f.example",
                    "b.c.d.e.f.example",
                    "c.d.e.f.example",
                    "d.e.f.example",
                    "e.f.example",
                ],
            ),
            ("localhost:3003", &[]),
            ("127.0.0.1:3003", &[]),
            ("[::1]:3003", &[]),
            ("", &[]),
            ("a..b", &[]),
            ("a.b;Path=/", &[]),
        ] {
            assert_eq!(domains_of(host), expected, "{host}");
        }
    }
}
