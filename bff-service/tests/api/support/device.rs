//! A device with a key, in a browser that supports Device Bound Session Credentials.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::app::{AT, AUTH, CSRF, ID, Setup, TestApp};
use super::browser::Browser;
use super::forgery::open;
use super::http::{Request, Response};

/// A device, and what its browser knows of the bound session.
#[derive(Clone)]
pub struct Device {
    key: EncodingKey,
    algorithm: Algorithm,
    /// The session identifier, after a registration.
    pub identifier: String,
    /// The last challenge.
    pub challenge: String,
}

impl Device {
    /// With a new key on P-256.
    pub fn new() -> Device {
        Device::with(rcgen::KeyPair::generate().unwrap().serialize_pem(), Algorithm::ES256)
    }

    /// With this key, as PKCS#8 in PEM.
    pub fn with(pem: impl AsRef<[u8]>, algorithm: Algorithm) -> Device {
        let key = match algorithm {
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_ref()),
            _ => EncodingKey::from_rsa_pem(pem.as_ref()),
        };
        Device {
            key: key.unwrap(),
            algorithm,
            identifier: String::new(),
            challenge: String::new(),
        }
    }

    /// The public key.
    pub fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        // As browsers send the key.
        jwk.as_object_mut()
            .unwrap()
            .retain(|name, _| ["kty", "crv", "x", "y", "n", "e"].contains(&name.as_str()));
        jwk
    }

    /// A JWT with these claims, and with the key in its header if `registers`.
    pub fn sign(&self, registers: bool, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.typ = Some("dbsc+jwt".to_owned());
        if registers {
            header.jwk = Some(serde_json::from_value(self.jwk()).unwrap());
        }
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// The registration that a response offers.
    pub fn registration(&mut self, browser: &Browser<'_>, offer: &Response) -> Request {
        let offer = offer.header("secure-session-registration").expect("an offer");
        let (_, challenge) = offer.split_once(";challenge=\"").unwrap();
        self.challenge = challenge.trim_end_matches('"').to_owned();
        own_request(browser, "/dbsc/register").header(
            "secure-session-response",
            self.sign(true, &json!({"jti": self.challenge})),
        )
    }

    /// Registers the key in the session that the response begins.
    pub fn register(&mut self, browser: &mut Browser<'_>, offer: &Response) -> Response {
        let request = self.registration(browser, offer);
        let response = browser.send(&request);
        self.read(&response);
        response
    }

    /// The request for a new proof, signed if there is a challenge.
    pub fn proof(&self, browser: &Browser<'_>) -> Request {
        let request = own_request(browser, "/dbsc/refresh").header("sec-secure-session-id", &self.identifier);
        match self.challenge.as_str() {
            "" => request,
            challenge => request.header("secure-session-response", self.sign(false, &json!({"jti": challenge}))),
        }
    }

    /// Gets a new proof, as browsers do it.
    pub fn refresh(&mut self, browser: &mut Browser<'_>) -> Response {
        let response = browser.send(&self.proof(browser));
        self.read(&response);
        if response.status != 403 {
            return response;
        }
        let response = browser.send(&self.proof(browser));
        self.read(&response);
        response
    }

    fn read(&mut self, response: &Response) {
        self.challenge.clear();
        if response.status == 200 {
            self.identifier = response.json()["session_identifier"].as_str().unwrap().to_owned();
        }
        if let Some(challenge) = response.header("secure-session-challenge") {
            let (challenge, id) = challenge.split_once(";id=").unwrap();
            assert_eq!(id, format!("\"{}\"", self.identifier));
            self.challenge = challenge.trim_matches('"').to_owned();
        }
    }
}

/// A request of the browser itself: with the API's own origin, and with no header of the page.
pub fn own_request(browser: &Browser<'_>, endpoint: &str) -> Request {
    browser
        .request("POST", endpoint)
        .without("origin")
        .without("x-example-csrf")
        .header("origin", "https://api.example.test")
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "empty")
}

/// Binds sessions where the browser supports it.
pub const ON: Setup<'static> = Setup {
    top: "",
    server: "",
    session: "device_binding = 'where_supported'",
    authorization_server: "",
    client: "",
    more: "",
    more_keys: "",
};

/// The cookies of a session, with the purposes for which they are sealed.
pub const SESSION: [(&str, Purpose); 4] = [
    (AT, Purpose::AccessToken),
    (AUTH, Purpose::RefreshToken),
    (ID, Purpose::IdToken),
    (CSRF, Purpose::Csrf),
];

/// Signs alice in. Returns her browser, and the response that begins her session.
pub fn begin(app: &TestApp) -> (Browser<'_>, Response) {
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let offer = browser.load_page(page_url.as_str());
    assert_eq!(offer.status, 200, "{offer:?}");
    (browser, offer)
}

/// Signs alice in, and binds her session.
pub fn bind(app: &TestApp) -> (Browser<'_>, Device) {
    let ((mut browser, offer), mut device) = (begin(app), Device::new());
    let response = device.register(&mut browser, &offer);
    assert_eq!(response.status, 200, "{response:?}");
    (browser, device)
}

pub fn binding(browser: &Browser<'_>, (name, purpose): (&str, Purpose)) -> Binding {
    open(purpose, browser.cookie(name)).binding
}

pub fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    browser.get("/session").json()["isLoggedIn"] == true
}
