//! `FakeServer`: sends the response of the test to each request, valid HTTP or not.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use oauth2::RedirectUrl;
use serde_json::{Value, json};

use super::signer::{Signer, jwks};
use crate::config::Config;
use crate::oauth::{AuthorizationServer, OAuthClient};

/// The redirect URI in these tests.
pub(super) const REDIRECT_URI: &str = "https://www.example.com/?a=b&c";

pub(super) fn redirect_uri() -> RedirectUrl {
    RedirectUrl::new(REDIRECT_URI.to_owned()).unwrap()
}

/// A received request.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(super) fn form(&self) -> HashMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }
}

/// What the server does with a request.
#[derive(Clone)]
pub(super) enum Reply {
    /// Answers in JSON.
    Json(u16, Value),
    /// Answers with this content type and body.
    Text(u16, &'static str, String),
    /// Redirects the browser, or a client that follows redirects.
    Redirect(String),
    /// Writes these bytes and closes.
    Raw(Vec<u8>),
    /// Writes these bytes and then nothing more.
    Stall(Vec<u8>),
    /// Closes without a response.
    Close,
    /// Reads, and never responds.
    Hang,
}

type Handler = Box<dyn FnMut(&Request) -> Reply + Send>;

pub(super) struct FakeServer {
    address: SocketAddr,
    handler: Arc<Mutex<Handler>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl FakeServer {
    /// Runs until the test process ends.
    pub(super) fn start(handler: impl FnMut(&Request) -> Reply + Send + 'static) -> FakeServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = FakeServer {
            address: listener.local_addr().unwrap(),
            handler: Arc::new(Mutex::new(Box::new(handler))),
            requests: Arc::default(),
        };
        let (handler, requests) = (Arc::clone(&server.handler), Arc::clone(&server.requests));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (handler, requests) = (Arc::clone(&handler), Arc::clone(&requests));
                std::thread::spawn(move || serve(&stream.unwrap(), &handler, &requests));
            }
        });
        server
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sets the responses from now on.
    pub(super) fn answer_by(&self, handler: impl FnMut(&Request) -> Reply + Send + 'static) {
        *self.handler.lock().unwrap() = Box::new(handler);
    }

    /// The requests for this path so far.
    pub(super) fn requests(&self, path: &str) -> Vec<Request> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .filter(|request| request.path() == path)
            .cloned()
            .collect()
    }

    /// Waits until this path has been requested `count` times.
    pub(super) async fn wait_for(&self, path: &str, count: usize) {
        for _ in 0..3000 {
            if self.requests(path).len() >= count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{path} was requested {} times, not {count}", self.requests(path).len());
    }

    /// Metadata of an authorization server with the issuer and the endpoints of this server.
    pub(super) fn metadata(&self) -> Value {
        json!({
            "issuer": self.url(""),
            "authorization_endpoint": self.url("/authorize?tenant=1"),
            "token_endpoint": self.url("/token"),
            "userinfo_endpoint": self.url("/userinfo"),
            "revocation_endpoint": self.url("/revoke"),
            "end_session_endpoint": self.url("/logout?tenant=1"),
            "jwks_uri": self.url("/jwks"),
            "code_challenge_methods_supported": ["plain", "S256"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    /// A working authorization server, except for the responses of `other`. `signers` are its published keys.
    pub(super) fn authorization_server(
        signers: &[&Signer],
        other: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> FakeServer {
        let server = FakeServer::start(|_| Reply::Close);
        server.answer_as_authorization_server(server.metadata(), signers, other);
        server
    }

    /// Like `authorization_server`, with one key and additional members in the metadata, in which paths become URLs of
    /// the server.
    pub(super) fn with_metadata(more: Value, other: impl FnMut(&Request) -> Reply + Send + 'static) -> FakeServer {
        let server = FakeServer::start(|_| Reply::Close);
        let mut metadata = server.metadata();
        for (name, value) in more.as_object().unwrap() {
            metadata[name] = server.absolute(value);
        }
        server.answer_as_authorization_server(metadata, &[&Signer::es256("1")], other);
        server
    }

    /// Replaces all paths in the value by URLs of this server.
    fn absolute(&self, value: &Value) -> Value {
        match value {
            Value::String(path) if path.starts_with('/') => json!(self.url(path)),
            Value::Object(members) => {
                let members = members.iter().map(|(name, value)| (name.clone(), self.absolute(value)));
                Value::Object(members.collect())
            }
            other => other.clone(),
        }
    }

    /// Responds like a working authorization server from now on.
    pub(super) fn answer_as_authorization_server(
        &self,
        metadata: Value,
        signers: &[&Signer],
        mut other: impl FnMut(&Request) -> Reply + Send + 'static,
    ) {
        let jwks = jwks(signers.iter().copied());
        self.answer_by(move |request| match request.path() {
            "/.well-known/openid-configuration" => Reply::Json(200, metadata.clone()),
            "/jwks" => Reply::Json(200, jwks.clone()),
            _ => other(request),
        });
    }

    /// The configuration of a client of this server, with changes or additions: `table.field = value` lines.
    pub(super) fn config(&self, lines: &[&str]) -> Arc<Config> {
        let issuer = format!("authorization_server.issuer = \"{}\"", self.url(""));
        Arc::new(config(&[&[issuer.as_str()], lines].concat()))
    }

    /// A client of this server.
    pub(super) fn client(&self, lines: &[&str]) -> OAuthClient {
        let config = self.config(lines);
        OAuthClient::new(
            &config,
            AuthorizationServer::new(&config, &std::sync::Arc::default()).unwrap(),
        )
    }
}

/// The response for an unknown path.
pub(super) fn not_found(_: &Request) -> Reply {
    Reply::Text(404, "text/html", "<html>not found".to_owned())
}

/// A minimal configuration with these lines.
pub(super) fn config(lines: &[&str]) -> Config {
    let least = r#"
        demo = true
        trusted_web_origins = ["https://www.example.com"]
        client.id = "spa client"
        client.secret = "s3cret:%&+ä"
        client.redirect_uri = "https://www.example.com/?a=b&c"
        client.scope = "openid profile"
        keys.ring = "8f0f3f7c0e5d4b6a9c2e1d3b5a7f9e8d6c4b2a1f0e9d8c7b6a5f4e3d2c1b0a98"
    "#;
    // A given line replaces the one of the same field.
    let field = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let given: Vec<String> = lines.iter().map(|line| field(line)).collect();
    let least: Vec<&str> = least.lines().filter(|line| !given.contains(&field(line))).collect();
    Config::parse(&format!("{}\n{}", least.join("\n"), lines.join("\n")), |_| None).unwrap()
}

fn serve(mut stream: &TcpStream, handler: &Mutex<Handler>, requests: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        requests.lock().unwrap().push(request.clone());
        let reply = handler.lock().unwrap()(&request);
        let (status, headers, body) = match reply {
            Reply::Json(status, body) => (
                status,
                "content-type: Application/JSON; charset=utf-8".to_owned(),
                body.to_string(),
            ),
            Reply::Text(status, content_type, body) => (status, format!("content-type: {content_type}"), body),
            Reply::Redirect(location) => (302, format!("location: {location}"), String::new()),
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes);
                return;
            }
            Reply::Close => return,
            Reply::Stall(bytes) => {
                let _ = stream.write_all(&bytes);
                wait_for_the_client_to_give_up(&mut reader);
                return;
            }
            Reply::Hang => {
                wait_for_the_client_to_give_up(&mut reader);
                return;
            }
        };
        let length = body.len();
        let response = format!("HTTP/1.1 {status} x\r\n{headers}\r\ncontent-length: {length}\r\n\r\n{body}");
        if stream.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

fn wait_for_the_client_to_give_up(reader: &mut impl BufRead) {
    while let Ok(length @ 1..) = reader.fill_buf().map(<[u8]>::len) {
        reader.consume(length);
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split(' ');
    let mut request = Request {
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        request
            .headers
            .insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = request
        .headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}
