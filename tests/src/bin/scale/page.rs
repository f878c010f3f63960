//! What a page does with the client package (`client/src/client.ts`): it calls the API. After HTTP 401 it reads the session,
//! refreshes it once, reads it again and repeats the call. If the refresh fails for now, the call fails, and nobody is
//! signed out. The page does not try again before the time of `Retry-After`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bff_tests::user_agent::CSRF_HEADER;
use serde_json::{Value, json};

use crate::figures::Kind;
use crate::http::{Connection, Message};
use crate::line::{Line, Received};
use crate::modelled_authorization_server::now_ms;
use crate::session::{FOR_THE_API, FOR_THE_SERVICE, Session};
use crate::world::{Attempt, World};

/// The result of an action of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It succeeded.
    Yes,
    /// It failed for now. The page does not try again before this time has passed.
    NotNow(Duration),
    /// The user is signed out.
    SignedOut,
}

const NOT_NOW: Done = Done::NotNow(Duration::ZERO);

/// A page that is open in one tab, or in two.
pub(crate) struct Page {
    world: Arc<World>,
    pub(crate) session: Session,
    tabs: [Line; 2],
    /// Whether both tabs refresh at once, as without Web Locks.
    two_tabs: bool,
    attempts: Vec<Attempt>,
}

impl Page {
    pub(crate) fn new(world: &Arc<World>, session: Session, two_tabs: bool, seed: u64) -> Self {
        Self {
            world: Arc::clone(world),
            session,
            tabs: [Line::new(world, seed), Line::new(world, !seed)],
            two_tabs,
            attempts: Vec::new(),
        }
    }

    /// Whether an attempt to refresh has failed, and none has succeeded since.
    pub(crate) fn is_in_doubt(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// A call of the API. Every fourth changes something, and so needs the CSRF value.
    pub(crate) async fn call(&mut self, number: usize) -> Done {
        let method = if number % 4 == 3 { "POST" } else { "GET" };
        match self.call_once(method).await {
            Some(200) => Done::Yes,
            Some(401) => match self.renew().await {
                Done::Yes => match self.call_once(method).await {
                    Some(200) => Done::Yes,
                    _ => NOT_NOW,
                },
                other => other,
            },
            _ => NOT_NOW,
        }
    }

    /// The status of the response; `None` if there is none.
    async fn call_once(&mut self, method: &str) -> Option<u16> {
        let request = self.request(method, "/api/data", FOR_THE_API, None);
        let received = self.exchange(Kind::Api, &request, method == "GET").await.ok()?;
        let status = received.response.status();
        if status == 200 {
            let family = self.world.token_used(&received.response.body(), received.connection);
            match self.session.family {
                None => self.session.family = family,
                own if own != family => self.world.count("responses with another user's token"),
                Some(_) => {}
            }
        }
        Some(status)
    }

    /// The page's refresh, with what the client package reads before and after.
    async fn renew(&mut self) -> Done {
        match self.read_session().await {
            Some(session) if session["isLoggedIn"] == true => {}
            Some(_) => return self.record_sign_out("there is no session"),
            None => return NOT_NOW,
        }
        let done = self.refresh().await;
        if done == Done::Yes {
            self.attempts.clear();
            self.world.count("refreshes that pages needed");
            self.read_session().await;
        }
        done
    }

    async fn refresh(&mut self) -> Done {
        let request = self.request("POST", "/bff/refresh", FOR_THE_SERVICE, None);
        let (started_at, began) = (now_ms(), Instant::now());
        let [one, other] = &mut self.tabs;
        let received = match self.two_tabs {
            false => vec![one.exchange(&request, false).await],
            true => {
                let (one, other) = tokio::join!(one.exchange(&request, false), other.exchange(&request, false));
                vec![one, other]
            }
        };
        let ended_at = now_ms();
        self.world.notes().refreshes.push((started_at, ended_at));
        let mut done = NOT_NOW;
        let mut outcomes = Vec::new();
        for received in received {
            let status = received.as_ref().map_or(0, |received| received.response.status());
            self.world.sample(Kind::Refresh, began, status);
            let response = match received {
                Ok(Received { response, .. }) => response,
                Err(error) => {
                    outcomes.push(format!("no response ({:?})", error.kind()));
                    continue;
                }
            };
            outcomes.push(format!("HTTP {status} {}", code(&response)));
            self.session.store_cookies(&response);
            done = match (status, done) {
                (204, _) | (_, Done::Yes) => Done::Yes,
                (401, _) | (_, Done::SignedOut) => Done::SignedOut,
                _ => Done::NotNow(retry_after(&response)),
            };
        }
        self.attempts.push(Attempt {
            started_at,
            ended_at,
            outcome: outcomes.join(", "),
        });
        match done {
            // With the same CSRF value, the response is the service's last word.
            Done::SignedOut => self.record_sign_out("the refresh was refused"),
            other => other,
        }
    }

    fn record_sign_out(&mut self, why: &str) -> Done {
        self.attempts.push(Attempt {
            started_at: now_ms(),
            ended_at: now_ms(),
            outcome: why.to_owned(),
        });
        self.world.record_loss(self.session.family, &self.attempts);
        Done::SignedOut
    }

    /// `GET /session`; `None` if there is no usable response.
    pub(crate) async fn read_session(&mut self) -> Option<Value> {
        let request = self.request("GET", "/bff/session", FOR_THE_SERVICE, None);
        let received = self.exchange(Kind::Session, &request, true).await.ok()?;
        self.session.store_cookies(&received.response);
        let session = serde_json::from_str(&received.response.body()).ok();
        session.filter(|_| received.response.status() == 200)
    }

    /// The whole sign-in.
    pub(crate) async fn sign_in(&mut self) -> Done {
        match self.try_to_sign_in().await {
            Ok(()) => Done::Yes,
            Err(_) => NOT_NOW,
        }
    }

    async fn try_to_sign_in(&mut self) -> io::Result<()> {
        let unusable = || io::Error::from(io::ErrorKind::InvalidData);
        let request = self.request("POST", "/bff/login/start", FOR_THE_SERVICE, Some(&json!({})));
        let received = self.exchange(Kind::SignIn, &request, false).await?;
        self.session.store_cookies(&received.response);
        let started: Value = serde_json::from_str(&received.response.body())?;
        let url = started["authorizationRequestUrl"].as_str().ok_or_else(unusable)?;
        let url = url::Url::parse(url).map_err(io::Error::other)?;
        // The server's host, which the browser reaches without our Envoys.
        let request = format!(
            "GET {}?{} HTTP/1.1\r\nhost: login\r\ncontent-length: 0\r\n\r\n",
            url.path(),
            url.query().unwrap_or_default()
        );
        let mut server = Connection::to(self.world.model_port).await?;
        let redirect = server.exchange(request.as_bytes()).await?;
        let page_url = redirect.header("location").into_iter().next().ok_or_else(unusable)?;
        let body = json!({"pageUrl": page_url});
        let request = self.request("POST", "/bff/login/end", FOR_THE_SERVICE, Some(&body));
        let received = self.exchange(Kind::SignIn, &request, false).await?;
        self.session.store_cookies(&received.response);
        let ended: Value = serde_json::from_str(&received.response.body())?;
        match (ended["isLoggedIn"].as_bool(), ended["csrf"].as_str()) {
            (Some(true), Some(csrf)) => {
                self.session.csrf = csrf.to_owned();
                Ok(())
            }
            _ => Err(unusable()),
        }
    }

    async fn exchange(&mut self, kind: Kind, request: &[u8], may_repeat: bool) -> io::Result<Received> {
        let began = Instant::now();
        let [tab, _] = &mut self.tabs;
        let received = tab.exchange(request, may_repeat).await;
        let status = received.as_ref().map_or(0, |received| received.response.status());
        self.world.sample(kind, began, status);
        received
    }

    fn request(&self, method: &str, path: &str, cookies: &[&str], body: Option<&Value>) -> Vec<u8> {
        let mut lines = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\norigin: {}\r\naccept: application/json\r\n",
            self.world.authority, self.world.origin
        );
        let cookies = self.session.cookies(cookies);
        if !cookies.is_empty() {
            lines.push_str(&format!("cookie: {cookies}\r\n"));
        }
        if method == "POST" && !self.session.csrf.is_empty() {
            lines.push_str(&format!("{CSRF_HEADER}: {}\r\n", self.session.csrf));
        }
        let body = body.map_or_else(String::new, Value::to_string);
        if !body.is_empty() {
            lines.push_str("content-type: application/json\r\n");
        }
        format!("{lines}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }
}

/// The error code in a response of the service.
fn code(response: &Message) -> String {
    let body: Value = serde_json::from_str(&response.body()).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}

fn retry_after(response: &Message) -> Duration {
    let lines = response.header("retry-after");
    let seconds = lines.first().and_then(|value| value.parse().ok());
    seconds.map_or(Duration::ZERO, Duration::from_secs)
}
