//! `FakeAuthorizationServer`: for misbehaviour. It implements enough of the protocol for a login, rotates refresh tokens,
//! and ends the session after a second use of one; each of its endpoints can be made to fail.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Map, Value, json};
use url::Url;

mod responses;

pub const CLIENT_ID: &str = "spa-client";
pub const KEY_ID: &str = "signing-key-1";

/// What an endpoint does instead of its normal response.
#[derive(Clone, PartialEq)]
pub enum Misbehaviour {
    /// Responds with this status and body.
    Respond(u16, String),
    /// Sends half a response and closes.
    Truncate,
    /// Closes without a response.
    Close,
    /// Reads the request and does not respond until released.
    Hang,
    /// Writes these bytes, whatever they are, and closes.
    Raw(Vec<u8>),
    /// Announces its response with `103 Early Hints`, and sends it half a second later.
    EarlyHints,
    /// Writes the first bytes at once, and the others one by one with half a second in between.
    Drip(Vec<u8>, Vec<u8>),
}

/// Makes an ID token out of its claims.
pub type IdTokenMaker = Box<dyn Fn(&Value) -> String + Send>;

/// Makes all of an HTTP response out of the JSON that is to be in it.
pub type ResponseWriter = Box<dyn Fn(&str) -> Vec<u8> + Send>;

/// What the server has seen and issued.
#[derive(Default)]
pub struct State {
    codes: HashMap<String, Grant>,
    /// The valid refresh tokens.
    live_refresh_tokens: HashMap<String, Grant>,
    used_refresh_tokens: HashSet<String>,
    /// Requests by endpoint.
    pub requests: HashMap<&'static str, usize>,
    /// Each request's connection, and its endpoint, in the order in which they came.
    pub connections: Vec<(usize, &'static str)>,
    /// The form of the last request to the token or revocation endpoint.
    pub last_form: HashMap<String, String>,
    /// The headers of the last request, by endpoint.
    pub last_headers: HashMap<&'static str, HashMap<String, String>>,
    pub revoked: Vec<String>,
    /// Every token, code and verifier that must never be visible outside.
    pub secrets: Vec<String>,
    /// Rotations that succeeded.
    pub rotations: usize,
    /// Times that a refresh token was used again: the session was ended.
    pub reuses: usize,
    misbehaviour: HashMap<&'static str, Misbehaviour>,
    /// Merged into the claims of every ID token; null takes a claim out.
    pub claims: Map<String, Value>,
    /// Merged into every token response; null takes a member out.
    pub token_response: Map<String, Value>,
    /// Merged into the metadata.
    pub metadata: Map<String, Value>,
    /// Published in place of the server's own key.
    pub jwks: Option<Value>,
    /// Makes ID tokens, in place of a signature by the server's own key.
    pub id_token_maker: Option<IdTokenMaker>,
    /// Writes the token endpoint's responses.
    pub token_response_writer: Option<ResponseWriter>,
}

impl State {
    /// Like a restart without persistent state.
    pub fn forget_codes(&mut self) {
        self.codes.clear();
    }

    /// The valid refresh tokens.
    pub fn live_refresh_tokens(&self) -> Vec<String> {
        self.live_refresh_tokens.keys().cloned().collect()
    }
}

#[derive(Clone)]
struct Grant {
    subject: String,
    auth_time: u64,
    nonce: String,
    code_challenge: String,
}

struct Shared {
    address: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
    key: EcdsaKeyPair,
    serial: AtomicUsize,
}

/// The server; it runs until the test process ends.
#[derive(Clone)]
pub struct FakeAuthorizationServer(Arc<Shared>);

impl FakeAuthorizationServer {
    pub fn start() -> FakeAuthorizationServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let server = FakeAuthorizationServer(Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            state: Mutex::default(),
            changed: Condvar::new(),
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap(),
            serial: AtomicUsize::new(0),
        }));
        let serving = server.clone();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let server = serving.clone();
                std::thread::spawn(move || server.serve(number, stream.unwrap()));
            }
        });
        server
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// From now on `endpoint` (`token`, `userinfo`, …) does this.
    pub fn misbehave(&self, endpoint: &'static str, misbehaviour: Misbehaviour) {
        self.state().misbehaviour.insert(endpoint, misbehaviour);
    }

    /// From now on every endpoint works; requests that hang go on.
    pub fn behave(&self) {
        self.state().misbehaviour.clear();
        self.0.changed.notify_all();
    }

    /// Requests that hang go on, as their endpoint does now.
    pub fn go_on(&self) {
        self.0.changed.notify_all();
    }

    /// Waits until `endpoint` has seen this many requests.
    pub fn wait_for_requests(&self, endpoint: &'static str, count: usize) {
        let seen = |state: &mut State| state.requests.get(endpoint).copied().unwrap_or_default() < count;
        let (_state, timeout) = self
            .0
            .changed
            .wait_timeout_while(self.state(), Duration::from_secs(20), seen)
            .unwrap();
        assert!(!timeout.timed_out(), "{endpoint} has seen fewer than {count} requests");
    }

    pub fn requests(&self, endpoint: &'static str) -> usize {
        self.state().requests.get(endpoint).copied().unwrap_or_default()
    }

    /// Waits until the revocation of some refresh token, or the like, is seen in the state.
    pub fn wait_until(&self, what: &str, mut reached: impl FnMut(&State) -> bool) {
        let wait = self
            .0
            .changed
            .wait_timeout_while(self.state(), Duration::from_secs(20), |state| !reached(state));
        assert!(!wait.unwrap().1.timed_out(), "never happened: {what}");
    }

    /// The user signs in at this authorization request URL. Returns the URL that the browser is redirected to.
    pub fn sign_in(&self, authorization_request_url: &str, subject: &str) -> Url {
        let request = Url::parse(authorization_request_url).unwrap();
        let parameters: HashMap<_, _> = request.query_pairs().into_owned().collect();
        assert_eq!(parameters["response_type"], "code", "{authorization_request_url}");
        assert_eq!(parameters["client_id"], CLIENT_ID);
        assert_eq!(parameters["code_challenge_method"], "S256");
        // Characters that must be encoded on their way on.
        let code = format!("{}&client_id=evil+%#=", self.unique("code"));
        let grant = Grant {
            subject: subject.to_owned(),
            auth_time: responses::now(),
            nonce: parameters["nonce"].clone(),
            code_challenge: parameters["code_challenge"].clone(),
        };
        let mut state = self.state();
        state.secrets.push(code.clone());
        state.codes.insert(code.clone(), grant);
        let mut page = Url::parse(&parameters["redirect_uri"]).unwrap();
        page.query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", &parameters["state"])
            .append_pair("iss", &self.issuer());
        page
    }

    /// From now on this is a refresh token of `subject`.
    pub fn add_refresh_token(&self, token: &str, subject: &str) {
        let (nonce, code_challenge) = (String::new(), String::new());
        let subject = subject.to_owned();
        let grant = Grant {
            subject,
            auth_time: responses::now(),
            nonce,
            code_challenge,
        };
        self.state().live_refresh_tokens.insert(token.to_owned(), grant);
    }

    /// The subject of the refresh token in this string, if the token is valid.
    pub fn subject_of(&self, content: &str) -> Option<String> {
        let state = self.state();
        let mut tokens = state.live_refresh_tokens.iter();
        let (_, grant) = tokens.find(|(token, _)| content.contains(token.as_str()))?;
        Some(grant.subject.clone())
    }

    /// Ends the session behind every refresh token, as an administrator would.
    pub fn end_all_sessions(&self) {
        self.state().live_refresh_tokens.clear();
    }

    fn unique(&self, what: &str) -> String {
        format!(
            "{what}-{}-of-the-fake-authorization-server",
            self.0.serial.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Serves this connection as long as requests arrive, whatever their `Connection` header.
    fn serve(&self, number: usize, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some((path, headers, body)) = read_request(&mut reader) {
            let endpoint = match path.as_str() {
                "/.well-known/openid-configuration" => "metadata",
                "/jwks" => "jwks",
                "/token" => "token",
                "/userinfo" => "userinfo",
                "/revoke" => "revoke",
                _ => "unknown",
            };
            let misbehaviour = {
                let mut state = self.state();
                *state.requests.entry(endpoint).or_default() += 1;
                state.connections.push((number, endpoint));
                state.last_headers.insert(endpoint, headers.clone());
                self.0.changed.notify_all();
                let hanging = |state: &mut State| state.misbehaviour.get(endpoint) == Some(&Misbehaviour::Hang);
                let state = self.0.changed.wait_while(state, hanging).unwrap();
                state.misbehaviour.get(endpoint).cloned()
            };
            let (status, response) = match misbehaviour {
                None => self.answer(endpoint, &headers, &body),
                Some(Misbehaviour::EarlyHints) => {
                    let _ = (&stream).write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n");
                    std::thread::sleep(Duration::from_millis(500));
                    self.answer(endpoint, &headers, &body)
                }
                Some(Misbehaviour::Respond(status, body)) => (status, body),
                Some(Misbehaviour::Close) => return,
                Some(Misbehaviour::Truncate) => {
                    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"acc";
                    let _ = (&stream).write_all(half.as_bytes());
                    return;
                }
                Some(Misbehaviour::Hang) => unreachable!("it was waited for"),
                Some(Misbehaviour::Raw(bytes)) => {
                    let _ = (&stream).write_all(&bytes);
                    return;
                }
                Some(Misbehaviour::Drip(at_once, slowly)) => {
                    let pieces = std::iter::once(at_once.as_slice()).chain(slowly.chunks(1));
                    for piece in pieces {
                        if (&stream).write_all(piece).is_err() {
                            return;
                        }
                        std::thread::sleep(Duration::from_millis(500));
                    }
                    return;
                }
            };
            let written = match &self.state().token_response_writer {
                Some(write) if endpoint == "token" => Some(write(&response)),
                _ => None,
            };
            if let Some(written) = written {
                let _ = (&stream).write_all(&written);
                return;
            }
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                response.len()
            );
            if (&stream).write_all((head + &response).as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, endpoint: &str, headers: &HashMap<String, String>, body: &str) -> (u16, String) {
        let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let response = match endpoint {
            "metadata" => self.metadata(),
            "jwks" => self.jwks(),
            "token" => {
                let basic = headers
                    .get("authorization")
                    .is_some_and(|value| value.starts_with("Basic "));
                assert!(
                    basic != form.contains_key("client_secret"),
                    "the client authenticates itself, in one way"
                );
                let response = self.token(&form);
                self.state().last_form = form;
                self.0.changed.notify_all();
                match response {
                    Ok(response) => response,
                    Err(error) => return (400, json!({ "error": error }).to_string()),
                }
            }
            "userinfo" => json!({"sub": "alice", "name": "Alice of userinfo"}),
            "revoke" => {
                let mut state = self.state();
                let token = form["token"].clone();
                state.live_refresh_tokens.remove(&token);
                state.revoked.push(token);
                state.last_form = form;
                self.0.changed.notify_all();
                json!({})
            }
            _ => return (404, json!({}).to_string()),
        };
        (200, response.to_string())
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(String, HashMap<String, String>, String)> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let target = line.split(' ').nth(1)?.to_owned();
    let path = target.split('?').next()?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, headers, String::from_utf8(body).ok()?))
}
