//! A browser: it stores cookies according to draft-ietf-httpbis-rfc6265bis, and sends what a browser would send
//! from a page of the application.

use std::collections::BTreeMap;

use bff_core::cookie::purpose::Purpose;
use serde_json::{Value, json};
use url::Url;

use super::app::{PREFIX, TestApp, WEB_ORIGIN};
use super::forgery::{Forgery, open};
use super::http::{Request, Response};

/// The identity of a cookie: its name and path (all are host-only here).
type CookieStore = BTreeMap<(String, String), String>;

/// A browser with the application's page open.
#[derive(Clone)]
pub struct Browser<'a> {
    pub app: &'a TestApp,
    pub cookies: CookieStore,
    /// What the page was told.
    pub csrf: Option<String>,
}

impl<'a> Browser<'a> {
    pub fn new(app: &'a TestApp) -> Browser<'a> {
        Browser {
            app,
            cookies: CookieStore::new(),
            csrf: None,
        }
    }

    /// A request from the page: with Origin, cookies, and the CSRF header once it is known.
    pub fn request(&self, method: &str, endpoint: &str) -> Request {
        let target = format!("{PREFIX}{endpoint}");
        let mut request = Request::new(method, &target).header("origin", WEB_ORIGIN);
        if let Some(cookies) = self.cookie_header(&target) {
            request = request.header("cookie", cookies);
        }
        if let Some(csrf) = &self.csrf {
            request = request.header("x-example-csrf", csrf);
        }
        request
    }

    fn cookie_header(&self, target: &str) -> Option<String> {
        let sent = |path: &str| path == "/" || target == path || target.starts_with(&format!("{path}/"));
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .filter(|((_, path), _)| sent(path))
            .map(|((name, _), value)| format!("{name}={value}"))
            .collect();
        (!cookies.is_empty()).then(|| cookies.join("; "))
    }

    /// Sends a request and stores the received cookies.
    pub fn send(&mut self, request: &Request) -> Response {
        let response = request.send(self.app.address);
        self.take_cookies(&response);
        response
    }

    pub fn take_cookies(&mut self, response: &Response) {
        for line in response.set_cookies() {
            let mut attributes = line.split("; ");
            let (name, value) = attributes.next().unwrap().split_once('=').unwrap();
            let attributes: Vec<&str> = attributes.collect();
            let path = attributes
                .iter()
                .find_map(|attribute| attribute.strip_prefix("Path="))
                .unwrap();
            let key = (name.to_owned(), path.to_owned());
            if attributes.contains(&"Max-Age=0") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
    }

    pub fn get(&mut self, endpoint: &str) -> Response {
        self.send(&self.request("GET", endpoint))
    }

    pub fn post(&mut self, endpoint: &str) -> Response {
        self.send(&self.request("POST", endpoint))
    }

    /// The page starts a login. Returns the URL for the browser.
    pub fn start_login(&mut self) -> String {
        let response = self.post("/login/start");
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["authorizationRequestUrl"].as_str().unwrap().to_owned()
    }

    /// The page at this URL loads.
    pub fn load_page(&mut self, page_url: &str) -> Response {
        let response = self.send(&self.request("POST", "/login/end").json(&json!({ "pageUrl": page_url })));
        if response.status == 200
            && let Some(csrf) = response.json().get("csrf").and_then(Value::as_str)
        {
            self.csrf = Some(csrf.to_owned());
        }
        response
    }

    /// Starts a login, and signs `user` in at the authorization server.
    pub fn authorize(&mut self, user: &str) -> Url {
        let url = self.start_login();
        self.app.authorization_server.sign_in(&url, user)
    }

    /// A complete login.
    pub fn sign_in_as(mut self, user: &str) -> Browser<'a> {
        let page_url = self.authorize(user);
        let response = self.load_page(page_url.as_str());
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.json()["isLoggedIn"], true);
        self
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> &str {
        let found = self.cookies.iter().find(|((other, _), _)| other == name);
        found
            .unwrap_or_else(|| panic!("no cookie {name} in {:?}", self.cookies.keys()))
            .1
    }

    /// Replaces the value of a cookie.
    pub fn replace_cookie(&mut self, name: &str, value: &str) {
        let found = self.cookies.iter_mut().find(|((other, _), _)| other == name);
        *found.unwrap().1 = value.to_owned();
    }

    /// Seals a cookie again with a changed content.
    pub fn reseal(&mut self, name: &str, purpose: Purpose, change: impl FnOnce(&mut Forgery)) {
        let mut forgery = Forgery::of(&open(purpose, self.cookie(name)));
        change(&mut forgery);
        self.replace_cookie(name, &forgery.seal(purpose));
    }

    /// Puts a cookie where a page of a sibling domain, or an earlier configuration, could: at this path, beside what is there.
    pub fn plant(&mut self, name: &str, path: &str, value: &str) {
        self.cookies
            .insert((name.to_owned(), path.to_owned()), value.to_owned());
    }

    pub fn remove_cookie(&mut self, name: &str) {
        let count = self.cookies.len();
        self.cookies.retain(|(other, _), _| other != name);
        assert_eq!(self.cookies.len() + 1, count, "no cookie {name}");
    }

    pub fn cookie_names(&self) -> Vec<&str> {
        self.cookies.keys().map(|(name, _)| name.as_str()).collect()
    }
}
