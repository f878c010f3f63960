//! A device with a key, in a browser that supports Device Bound Session Credentials.

use std::sync::Arc;

use demo_system::{Component, Options, System};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::client_credentials::set;
use crate::http1::{Request, Response};
use crate::user_agent::UserAgent;

/// Lets each replica of the service bind sessions to devices.
pub fn bind_sessions(options: &mut Options) {
    for replica in [Component::Bff, Component::SecondBff] {
        set(options, replica, "BFF_SESSION__DEVICE_BINDING", "where_supported");
    }
}

/// A user who has signed in, and the response that begins the session.
pub fn sign_in(system: &System) -> (UserAgent, Response) {
    let mut user = UserAgent::new(system);
    let page_url = user.go_through_login();
    let offer = user.end_login(&page_url);
    assert_eq!(offer.status, 200, "{}", String::from_utf8_lossy(&offer.body));
    (user, offer)
}

/// A device, and what its browser knows of the bound session.
#[derive(Clone)]
pub struct Device {
    key: Arc<EncodingKey>,
    identifier: String,
    challenge: String,
}

impl Default for Device {
    fn default() -> Self {
        let pair = rcgen::KeyPair::generate().expect("a key");
        Self {
            key: Arc::new(EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("a key on P-256")),
            identifier: String::new(),
            challenge: String::new(),
        }
    }
}

impl Device {
    /// The registration that this response offers; `None` if it offers none.
    pub fn registration(&self, user: &UserAgent, offer: &Response) -> Option<Request> {
        let (_, challenge) = offer
            .header("secure-session-registration")?
            .split_once(";challenge=\"")?;
        Some(self.registration_for(user, challenge.trim_end_matches('"')))
    }

    /// Registers the key, as the response `offer` offers it. `send` sends a request. Panics unless the session is bound then.
    pub fn bind(&mut self, user: &mut UserAgent, offer: &Response, send: impl FnOnce(&Request) -> Response) {
        let registered = send(&self.registration(user, offer).expect("an offer"));
        assert_eq!(registered.status, 200, "{}", registered.code());
        self.read(user, &registered);
    }

    /// The registration for this challenge.
    pub fn registration_for(&self, user: &UserAgent, challenge: &str) -> Request {
        let token = self.sign(true, challenge);
        own_request(user, "/bff/dbsc/register").header("secure-session-response", token)
    }

    /// A device with another key, which knows everything else that `other` knows of the session.
    pub fn pretending_to_be(other: &Self) -> Self {
        Self {
            identifier: other.identifier.clone(),
            ..Self::default()
        }
    }

    /// Forgets the last challenge, as after it has expired.
    pub fn forget_challenge(&mut self) {
        self.challenge.clear();
    }

    /// The request for a new proof, signed if the last response had a challenge.
    pub fn proof(&self, user: &UserAgent) -> Request {
        let request = own_request(user, "/bff/dbsc/refresh").header("sec-secure-session-id", &self.identifier);
        match self.challenge.as_str() {
            "" => request,
            challenge => request.header("secure-session-response", self.sign(false, challenge)),
        }
    }

    /// Gets a new proof, as browsers do it. `send` sends a request.
    pub fn refresh(&mut self, user: &mut UserAgent, send: impl Fn(&Request) -> Response) -> u16 {
        for _ in 0..2 {
            let response = send(&self.proof(user));
            self.read(user, &response);
            if response.status != 403 {
                return response.status;
            }
        }
        403
    }

    /// Reads a response to one of these requests.
    pub fn read(&mut self, user: &mut UserAgent, response: &Response) {
        user.replace_cookies(response);
        self.challenge.clear();
        if let Some(identifier) = response.json()["session_identifier"].as_str() {
            self.identifier = identifier.to_owned();
        }
        if let Some((challenge, _)) = response
            .header("secure-session-challenge")
            .and_then(|challenge| challenge.split_once(";id="))
        {
            self.challenge = challenge.trim_matches('"').to_owned();
        }
    }

    fn sign(&self, with_key: bool, challenge: &str) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("dbsc+jwt".to_owned());
        if with_key {
            header.jwk = Some(Jwk::from_encoding_key(&self.key, Algorithm::ES256).expect("a public key"));
        }
        jsonwebtoken::encode(&header, &json!({ "jti": challenge }), &self.key).expect("signed")
    }
}

/// A request of the browser itself: with the API's own origin, and with no header of the page.
fn own_request(user: &UserAgent, path: &str) -> Request {
    Request::new("POST", path)
        .header("origin", format!("https://{}", user.client.authority("api")))
        .header("cookie", user.cookie_header())
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "empty")
}
