//! The browser's part in a sign-in, without a browser: follows redirects, fills in the login page, stores cookies.

use std::collections::BTreeMap;

use demo_system::System;
use serde_json::json;
use url::Url;

use crate::http1::{Client, Request, Response};

/// The CSRF header's name.
pub const CSRF_HEADER: &str = "x-example-csrf";

/// The access token cookie.
pub const AT: &str = "__Host-Http-example-at";
/// The CSRF cookie.
pub const CSRF: &str = "__Host-Http-example-csrf";
/// The refresh token cookie.
pub const AUTH: &str = "__Http-example-auth";
/// The ID token cookie.
pub const ID: &str = "__Http-example-id";
/// The cookie of pending logins.
pub const LOGIN: &str = "__Host-Http-example-login";
/// The proof that a session is bound to the device.
pub const BOUND: &str = "__Host-example-bound";
/// The key to which a session is bound.
pub const KEY: &str = "__Http-example-key";

/// A user's browser with one system.
#[derive(Clone)]
pub struct UserAgent {
    /// Its connections.
    pub client: Client,
    /// The origin of the single page application.
    pub origin: String,
    /// The service's cookies, by name.
    pub cookies: BTreeMap<String, String>,
    /// The CSRF value.
    pub csrf: String,
    csrf_header: String,
    username: String,
    login_cookies: BTreeMap<String, String>,
}

impl UserAgent {
    /// A browser without a session.
    pub fn new(system: &System) -> Self {
        Self::with(Client::new(system))
    }

    /// A browser without a session, with this client.
    pub fn with(client: Client) -> Self {
        Self {
            origin: format!("https://{}", client.authority("www")),
            client,
            cookies: BTreeMap::new(),
            csrf: String::new(),
            csrf_header: CSRF_HEADER.to_owned(),
            username: "demouser".to_owned(),
            login_cookies: BTreeMap::new(),
        }
    }

    /// A browser without a session at another application's pages, with a cookie name prefix of its own.
    pub fn of_application(system: &System, domain: &str, prefix: &str) -> Self {
        let mut user = Self::new(system);
        user.client = user.client.of_application(domain);
        user.origin = format!("https://{}", user.client.authority("www"));
        user.csrf_header = format!("x-{prefix}-csrf");
        user
    }

    /// A user who has signed in.
    pub fn signed_in(system: &System) -> Self {
        Self::signed_in_as(system, "demouser")
    }

    /// A browser without a session, of a user with this name. The password is the demo user's.
    pub fn of_user(system: &System, username: &str) -> Self {
        let mut user = Self::new(system);
        user.username = username.to_owned();
        user
    }

    /// A user with this name who has signed in. The password is the demo user's.
    pub fn signed_in_as(system: &System, username: &str) -> Self {
        let mut user = Self::of_user(system, username);
        user.sign_in();
        user
    }

    /// Performs the whole sign-in.
    pub fn sign_in(&mut self) {
        let page_url = self.go_through_login();
        let response = self.end_login(&page_url);
        assert_eq!(
            response.status,
            200,
            "`/login/end` failed: {}",
            String::from_utf8_lossy(&response.body)
        );
        assert_eq!(response.json()["isLoggedIn"], true);
    }

    /// Starts a login, signs in at the authorization server, and returns the URL to which the browser was redirected.
    pub fn go_through_login(&mut self) -> String {
        let response = self.bff("POST", "/bff/login/start");
        assert_eq!(
            response.status,
            200,
            "`/login/start` failed: {}",
            String::from_utf8_lossy(&response.body)
        );
        let url = response.json()["authorizationRequestUrl"]
            .as_str()
            .expect("a URL")
            .to_owned();
        let (page, _) = *self.follow(&url).expect_err("the login page");
        let form = Request::new("POST", page.path())
            .header("cookie", cookie_header(&self.login_cookies))
            .header("origin", page.origin().ascii_serialization())
            .form(&format!("username={}&password=Password1", self.username));
        let response = self.client.send("login", &form).expect("sending the login form failed");
        self.store_login_cookies(&response);
        let location = response
            .header("location")
            .unwrap_or_else(|| panic!("the password was refused: HTTP {}", response.status));
        let next = page.join(location).expect("a URL");
        match self.follow(next.as_str()) {
            Ok(back) => back,
            Err(stuck) => panic!("the sign-in stopped at {}: HTTP {}", stuck.0.path(), stuck.1.status),
        }
    }

    /// Follows redirects of the authorization server until one leaves it. `Err` has the page that is not a redirect.
    fn follow(&mut self, url: &str) -> Result<String, Box<(Url, Response)>> {
        let mut url = Url::parse(url).expect("a URL");
        let login = url.origin();
        for _ in 0..10 {
            if url.origin() != login {
                return Ok(url.into());
            }
            let target = url
                .query()
                .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
            let request = Request::new("GET", &target)
                .header("cookie", cookie_header(&self.login_cookies))
                .header("accept", "text/html");
            let response = self
                .client
                .send("login", &request)
                .expect("a request to the authorization server failed");
            self.store_login_cookies(&response);
            match response.header("location") {
                Some(location) => url = url.join(location).expect("a URL"),
                None => return Err(Box::new((url, response))),
            }
        }
        panic!(
            "the authorization server has redirected ten times, at last to {}",
            url.path()
        )
    }

    /// `POST /login/end`.
    pub fn end_login(&mut self, page_url: &str) -> Response {
        let request = self
            .bff_request("POST", "/bff/login/end")
            .json(&json!({"pageUrl": page_url}));
        let response = self.client.send("api", &request).expect("a response to login end");
        self.store(&response);
        response
    }

    /// A request to the service with all headers that a browser sends.
    pub fn bff_request(&self, method: &str, path: &str) -> Request {
        let request = Request::new(method, path)
            .header("origin", &self.origin)
            .header("cookie", self.cookie_header());
        if self.csrf.is_empty() {
            request
        } else {
            request.header(&self.csrf_header, &self.csrf)
        }
    }

    /// Sends such a request, and stores the cookies of the response.
    pub fn bff(&mut self, method: &str, path: &str) -> Response {
        let response = self
            .client
            .send("api", &self.bff_request(method, path))
            .expect("a response of the BFF");
        self.store(&response);
        response
    }

    /// A request to the API as the page sends it.
    pub fn api_request(&self, method: &str) -> Request {
        self.bff_request(method, "/api/data")
    }

    /// Sends a request to the host of service and API.
    pub fn send(&self, request: &Request) -> Response {
        self.client.send("api", request).expect("a response")
    }

    /// `GET /api/data`.
    pub fn get_data(&self) -> Response {
        self.send(&self.api_request("GET"))
    }

    /// The Cookie header with all cookies of the service.
    pub fn cookie_header(&self) -> String {
        cookie_header(&self.cookies)
    }

    /// The Cookie header with one cookie changed; `None` leaves it out.
    pub fn cookie_header_with(&self, name: &str, value: Option<&str>) -> String {
        let mut cookies = self.cookies.clone();
        match value {
            Some(value) => cookies.insert(name.to_owned(), value.to_owned()),
            None => cookies.remove(name),
        };
        cookie_header(&cookies)
    }

    /// Stores the cookies of a response, as the browser does for every response.
    pub fn replace_cookies(&mut self, response: &Response) {
        store(&mut self.cookies, response);
    }

    fn store(&mut self, response: &Response) {
        self.replace_cookies(response);
        if let Some(csrf) = response.json()["csrf"].as_str() {
            self.csrf = csrf.to_owned();
        }
    }

    fn store_login_cookies(&mut self, response: &Response) {
        store(&mut self.login_cookies, response);
    }
}

fn cookie_header(cookies: &BTreeMap<String, String>) -> String {
    cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("; ")
}

fn store(cookies: &mut BTreeMap<String, String>, response: &Response) {
    for line in response.all("set-cookie") {
        let pair = line.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        if value.is_empty() || line.to_ascii_lowercase().contains("max-age=0") {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}
