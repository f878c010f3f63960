//! A user at one variant of a server's settings: what the steps are made of.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bff_core::cookie::purpose::Purpose;
use bff_core::encoding::form;
use bff_tests::http1::{Client, Request, Response, send_plain_as};
use bff_tests::sealing::Seals;
use bff_tests::setup::filter_statistic_of;
use bff_tests::user_agent::{AT, AUTH, ID, UserAgent};
use demo_system::System;
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::pages::{Pages, Passage};
use crate::servers::Server;
use crate::site::Site;
use crate::variant::{Settings, Variant};

/// How long something may take that the server does by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// One variant, started.
pub(crate) struct Walk<'a> {
    pub(crate) server: &'a RefCell<Box<dyn Server>>,
    pub(crate) site: &'a Site,
    pub(crate) variant: &'a Variant,
    pub(crate) settings: &'a Settings,
    /// A stage of the filter, also if this variant has none.
    pub(crate) introspection: Value,
    pub(crate) system: &'a System,
    pub(crate) pages: RefCell<Pages>,
    /// A session that began before the server got a new key.
    pub(crate) before_new_key: RefCell<Option<UserAgent>>,
}

/// The result of a sign-in.
pub(crate) struct SignIn {
    pub(crate) user: UserAgent,
    pub(crate) passage: Passage,
    /// The response at the end.
    pub(crate) end: Response,
}

impl Walk<'_> {
    /// A user who has signed in, in a browser that the server does not know.
    pub(crate) fn signed_in(&self) -> Result<UserAgent, String> {
        self.pages.borrow_mut().forget()?;
        self.signed_in_here(&[])
    }

    /// A user who has signed in, in the same browser as the one before.
    pub(crate) fn signed_in_here(&self, parameters: &[(&str, &str)]) -> Result<UserAgent, String> {
        let SignIn { user, passage, end } = self.sign_in(parameters)?;
        match end.json()["isLoggedIn"] == true {
            true => Ok(user),
            false => Err(format!(
                "the sign-in that returned to {} failed: {}",
                without_values(&passage.url),
                shown(&end)
            )),
        }
    }

    /// A login with these parameters of the authorization request, whatever its end.
    pub(crate) fn sign_in(&self, parameters: &[(&str, &str)]) -> Result<SignIn, String> {
        let mut user = UserAgent::new(self.system);
        let parameters: Vec<Value> = self
            .variant
            .parameters
            .iter()
            .chain(parameters)
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect();
        let request = user
            .bff_request("POST", "/bff/login/start")
            .json(&json!({"extraParams": parameters}));
        let response = user.send(&request);
        user.replace_cookies(&response);
        let body = response.json();
        let url = body["authorizationRequestUrl"]
            .as_str()
            .ok_or_else(|| format!("/login/start returned no URL: {}", shown(&response)))?;
        let passage = self.pages.borrow_mut().open(url)?;
        let end = user.end_login(&passage.url);
        Ok(SignIn { user, passage, end })
    }

    /// `/session`.
    pub(crate) fn session(&self, user: &mut UserAgent) -> Result<Value, String> {
        let response = user.bff("GET", "/bff/session");
        expect("/session", &response, 200)?;
        Ok(response.json())
    }

    /// The response of the API to the page, or what is wrong with it.
    pub(crate) fn call_api(&self, user: &UserAgent) -> Result<(), String> {
        expect("GET of the API", &user.get_data(), 200)?;
        let post = user.api_request("POST").json(&json!({"item": "one"}));
        expect("POST of the API", &user.send(&post), 200)
    }

    /// One refresh.
    pub(crate) fn refresh(&self, user: &mut UserAgent) -> Result<(), String> {
        let response = user.bff("POST", "/bff/refresh");
        expect("/refresh", &response, 204)
    }

    /// The URL for the browser after `/logout`.
    pub(crate) fn log_out(&self, user: &mut UserAgent) -> Result<String, String> {
        let response = user.bff("POST", "/bff/logout");
        expect("/logout", &response, 200)?;
        let body = response.json();
        let url = body["url"].as_str();
        let url = url.ok_or_else(|| format!("/logout returned no URL: {}", shown(&response)))?;
        Ok(url.to_owned())
    }

    /// The token in a cookie of the user.
    pub(crate) fn token(&self, user: &UserAgent, purpose: Purpose) -> Result<String, String> {
        let name = match purpose {
            Purpose::AccessToken => AT,
            Purpose::RefreshToken => AUTH,
            _ => ID,
        };
        let part = |number: usize| user.cookies.get(&format!("{name}.{number}"));
        let sealed: String = match user.cookies.get(name) {
            Some(whole) => whole.clone(),
            None => (1..).map_while(part).map(String::as_str).collect(),
        };
        match sealed.is_empty() {
            true => Err(format!("missing cookie {name}")),
            false => Ok(Seals::of(self.system, "example").open(purpose, &sealed).0),
        }
    }

    /// The claims of the user's ID token.
    pub(crate) fn id_token_claims(&self, user: &UserAgent) -> Result<Value, String> {
        part(&self.token(user, Purpose::IdToken)?, 1)
    }

    /// What the server's introspection says about a token to the filter's client: whether it is active.
    pub(crate) fn is_active(&self, token: &str) -> Result<bool, String> {
        let endpoint = self.introspection["introspection_endpoint"]
            .as_str()
            .unwrap_or_default();
        let endpoint = Url::parse(endpoint)
            .map_err(|error| format!("phantom_token.introspection_endpoint: invalid URL: {error}: write a URL such as `https://login.example.com/introspect`"))?;
        let address = self
            .server
            .borrow()
            .introspection(self.site)
            .unwrap_or(self.site.server());
        let client = self.introspection["client_id"].as_str().unwrap_or_default();
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let service = self.settings.service("BFF_CLIENT__ID");
        let secret = self.site.secret_of(Some(&self.introspection), service);
        let mut body = format!("token={}", encoded(token));
        let mut request = Request::new("POST", endpoint.path()).header("x-forwarded-proto", "https");
        if self.introspection["client_authentication"] == "client_secret_post" {
            body += &format!("&client_id={}&client_secret={}", encoded(client), encoded(secret));
        } else {
            let basic = STANDARD.encode(&*form::credentials(client.as_bytes(), secret.as_bytes()));
            request = request.header("authorization", format!("Basic {basic}"));
        }
        let authority = &endpoint[url::Position::BeforeHost..url::Position::AfterPort];
        let response = send_plain_as(address, authority, &request.form(&body))
            .map_err(|error| format!("introspection failed: {error}"))?;
        match (response.status, response.json()["active"].as_bool()) {
            (204, _) => Ok(false),
            (200, Some(active)) => Ok(active),
            _ => Err(format!("introspection failed: {}", shown(&response))),
        }
    }

    /// A setting of the service, by the name of its environment variable. It is empty if the page does not have it.
    pub(crate) fn setting(&self, name: &str) -> &str {
        self.settings.service(name).unwrap_or_default()
    }

    /// Whether the server has this endpoint: by the service's settings, or by the member of this name in its metadata.
    pub(crate) fn has_endpoint(&self, member: &str) -> Result<bool, String> {
        let setting = format!("BFF_AUTHORIZATION_SERVER__{}", member.to_uppercase());
        if !self.setting(&setting).is_empty() {
            return Ok(true);
        }
        let issuer = Url::parse(self.setting("BFF_AUTHORIZATION_SERVER__ISSUER"))
            .map_err(|error| format!("authorization_server.issuer: invalid URL: {error}: write the issuer in the server's document in docs/providers"))?;
        let path = format!(
            "{}/.well-known/openid-configuration",
            issuer.path().trim_end_matches('/')
        );
        let response = self.send_to_server(&Request::new("GET", &path))?;
        expect("metadata", &response, 200)?;
        Ok(response.json()[member].is_string())
    }

    /// Sends a request to the server, as a client at the other side of Envoy.
    pub(crate) fn send_to_server(&self, request: &Request) -> Result<Response, String> {
        Client::new(self.system)
            .send("login", request)
            .map_err(|error| format!("a request through Envoy to the authorization server failed: {error}"))
    }

    /// A statistic of the filter, by its name without `bff_filter_`.
    pub(crate) fn filter_statistic(&self, name: &str) -> u64 {
        filter_statistic_of(self.system, self.variant.native, name)
    }

    /// Waits until the condition holds.
    pub(crate) fn eventually(&self, what: &str, mut holds: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while !holds()? {
            if Instant::now() > end {
                return Err(format!("waiting timed out after {} s: {what}", PATIENCE.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}

/// A request with an access token, as a client without cookies sends it.
pub(crate) fn with_bearer(token: &str) -> Request {
    Request::new("GET", "/default/data").header("authorization", format!("Bearer {token}"))
}

/// Fails if the response to `what` has another status.
pub(crate) fn expect(what: &str, response: &Response, status: u16) -> Result<(), String> {
    match response.status == status {
        true => Ok(()),
        false => Err(format!("{what}: expected HTTP {status}, received: {}", shown(response))),
    }
}

/// Status and beginning of the body.
pub(crate) fn shown(response: &Response) -> String {
    let body = String::from_utf8_lossy(&response.body);
    let body: String = body.chars().take(300).collect();
    format!("HTTP {} {body}", response.status)
}

/// A part of a JWT, which is not verified: 0 for its header, 1 for its claims.
pub(crate) fn part(jwt: &str, number: usize) -> Result<Value, String> {
    let part = jwt
        .split('.')
        .nth(number)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let part = part.and_then(|part| serde_json::from_slice(&part).ok());
    part.ok_or_else(|| "the token that the step reads is not a JWT".to_owned())
}

/// The `kid` of a JWT.
pub(crate) fn key_id(jwt: &str) -> Result<String, String> {
    let header = part(jwt, 0)?;
    Ok(header["kid"].as_str().unwrap_or_default().to_owned())
}

/// A URL with the names of its parameters only.
fn without_values(url: &str) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let names: Vec<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    format!("{path}?{}", names.join("&"))
}
