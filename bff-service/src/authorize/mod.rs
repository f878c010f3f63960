//! `/authorize`: the filter's rules for proxies that ask an HTTP service, such as Envoy's `ext_authz`, nginx's
//! `auth_request` and Traefik's ForwardAuth. It is the second shell around [`Gate`]; the first is the wasm module.
//!
//! On the admin listener alone: the answer holds the token for the API, and a page that got it would have a token.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, web};
use bff_core::admission::{self, Edits, Refused};
use bff_core::config::{Config, PhantomToken};
use bff_core::gate::{Effect, FlightId, Gate, StreamId, Surroundings};
use bff_core::head::Head;
use bff_core::introspect::{Answer, FORWARDED_PROTO, MAX_ANSWER_LEN, Request};
use bff_core::reply::Refusal;
use tokio::sync::oneshot;

use crate::application::Application;
use crate::clock;
use crate::config::AuthorizeRules;
use crate::oauth::http::{HttpClient, HttpError};
use crate::telemetry::logging::AUDIT;
use crate::telemetry::request_context::{RequestContext, RequestId};
use crate::telemetry::server_endpoint::ServerEndpoint;
use crate::telemetry::trace::TraceContext;

/// What Envoy's `ext_authz` is to remove from the request.
const TO_REMOVE: &str = "x-envoy-auth-headers-to-remove";

/// Registers `/authorize`, and everything below it, where the application has rules for it.
pub fn configure(application: &Arc<Application>, app: &mut web::ServiceConfig) {
    let Some(rules) = application.authorize_rules.load_full() else {
        return;
    };
    let path = match application.config.name() {
        Some(name) => format!("/authorize/{name}"),
        None => "/authorize".to_owned(),
    };
    let authorizer = Rc::new(RefCell::new(Authorizer::new(Arc::clone(application), rules)));
    for path in [path.clone(), format!("{path}/{{path:.*}}")] {
        let authorizer = Rc::clone(&authorizer);
        let decide = move |request: HttpRequest| {
            let authorizer = current(&authorizer);
            async move {
                let headers = request.headers();
                let given = headers.get("x-request-id");
                let given = given.and_then(|id| RequestId::from_header(id.as_bytes()));
                let trace = TraceContext::of_request(headers);
                let id = match (given, &trace) {
                    (None, Some(_)) => RequestId::random().ok(),
                    (given, _) => given,
                };
                match id {
                    Some(id) => RequestContext { id, trace }.scope(authorizer.answer(&request)).await,
                    None => authorizer.answer(&request).await,
                }
            }
        };
        app.route(&path, web::to(decide));
    }
}

/// The authorizer for the rules that are in force. One for other rules begins with nothing kept, and those who wait for the
/// one from before are answered by it.
fn current(authorizer: &RefCell<Rc<Authorizer>>) -> Rc<Authorizer> {
    let mut authorizer = authorizer.borrow_mut();
    if let Some(rules) = authorizer.application.authorize_rules.load_full()
        && !Arc::ptr_eq(&rules, &authorizer.rules)
    {
        *authorizer = Authorizer::new(Arc::clone(&authorizer.application), rules);
    }
    Rc::clone(&authorizer)
}

/// The gate of one worker, and those who wait for it.
struct Authorizer {
    application: Arc<Application>,
    rules: Arc<AuthorizeRules>,
    method_header: Option<HeaderName>,
    http: HttpClient,
    stage: Option<PhantomToken>,
    /// Never borrowed while anything is waited for.
    gate: RefCell<Gate>,
    waiting: RefCell<HashMap<StreamId, oneshot::Sender<Decision>>>,
    next: Cell<StreamId>,
}

enum Decision {
    Forward(Edits),
    Refuse(Refused),
}

/// Of a connection that another proxy has, nothing is known here: a token that is bound to a certificate is refused, and a
/// route has no metadata.
struct ElsewhereConnected;

impl Surroundings for ElsewhereConnected {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        None
    }

    fn route_metadata(&self, _namespace: &str, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

impl Authorizer {
    fn new(application: Arc<Application>, rules: Arc<AuthorizeRules>) -> Rc<Self> {
        Rc::new(Self {
            method_header: application.config.method_header().cloned(),
            http: application.provider.http_client(),
            stage: rules.rules.phantom_token.clone(),
            gate: RefCell::new(Gate::new((*rules.rules).clone())),
            rules,
            waiting: RefCell::default(),
            next: Cell::new(0),
            application,
        })
    }

    /// Decides, and counts the decision.
    async fn answer(self: Rc<Self>, request: &HttpRequest) -> HttpResponse {
        let began = Instant::now();
        let response = Rc::clone(&self).decide(request).await;
        let status = response.status().as_u16();
        let outcome = match status {
            200 => "ok",
            400 => Refusal::MalformedCredentials.code(),
            403 => Refusal::Forbidden.code(),
            502 | 504 => Refusal::AuthorizationServerError.code(),
            500 => Refusal::ServerError.code(),
            _ => Refusal::Unauthorized.code(),
        };
        self.application.metrics.request("authorize", outcome, began.elapsed());
        let error = Some(outcome).filter(|_| status != 200);
        RequestContext::answered("GET", || "/authorize".to_owned(), status, error);
        response
    }

    async fn decide(self: Rc<Self>, request: &HttpRequest) -> HttpResponse {
        let Some(head) = self.head(request) else {
            return self.refuse(&fault(
                "the proxy did not say, in `authorize.method_header`, the one method of the request",
            ));
        };
        let stream = self.next.get().wrapping_add(1);
        self.next.set(stream);
        let (decided, decision) = oneshot::channel();
        self.waiting.borrow_mut().insert(stream, decided);
        let now = clock::now();
        // First, since nothing else wakes this gate: the list of ended sessions, above all, is to be the one of now.
        let due = self.gate.borrow_mut().tick(now);
        self.carry_out(due);
        let effect = self.gate.borrow_mut().request(stream, &head, &ElsewhereConnected, now);
        self.carry_out(Vec::from_iter(effect));
        // A caller that leaves is not missed: what it began goes on for those who wait for the same, and ends in time.
        match decision.await {
            Ok(Decision::Forward(edits)) => forward(&self.rules.rules, request, &edits),
            Ok(Decision::Refuse(refused)) => self.refuse(&refused),
            Err(_) => self.refuse(&fault("the request was not decided on")),
        }
    }

    /// The head of the request that the proxy asks about.
    fn head(&self, request: &HttpRequest) -> Option<Head> {
        let mut method = request.method().as_str().as_bytes().to_vec();
        if let Some(name) = &self.method_header {
            let mut values = request.headers().get_all(name);
            method = values.next()?.as_bytes().to_vec();
            if values.next().is_some() || method.is_empty() {
                return None;
            }
        }
        let lines = request
            .headers()
            .iter()
            .filter(|(name, _)| Some(*name) != self.method_header.as_ref());
        let lines = lines.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
        Some(Head::new(
            std::iter::once((":method".to_owned(), method)).chain(lines).collect(),
        ))
    }

    fn carry_out(self: &Rc<Self>, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Forward { stream, edits, .. } => self.end(stream, Decision::Forward(edits)),
                Effect::Reply { stream, refused } => self.end(stream, Decision::Refuse(refused)),
                Effect::Introspect { flight, request, .. } => {
                    actix_web::rt::spawn(RequestContext::inherit(Rc::clone(self).introspect(flight, request)));
                }
                // The list is the service's own.
                Effect::ReadEndedSessions { path, .. } => {
                    let known = path.rsplit_once("known=").map_or("", |(_, known)| known);
                    let list = self.application.ended.to_json(known);
                    let status = if list.is_some() { 200 } else { 204 };
                    let body = list.as_deref().map(str::as_bytes);
                    self.gate.borrow_mut().ended_sessions(status, body);
                }
                Effect::Warn(notice) => log::warn!("authorize: {notice}"),
                Effect::TickSoon => effects.extend(self.gate.borrow_mut().tick(clock::now())),
            }
        }
    }

    fn end(&self, stream: StreamId, decision: Decision) {
        if let Some(decided) = self.waiting.borrow_mut().remove(&stream) {
            // Who has left hears nothing.
            let _ = decided.send(decision);
        }
    }

    async fn introspect(self: Rc<Self>, flight: FlightId, request: Request) {
        let answer = match &self.stage {
            Some(stage) => ask(&self.http, stage, request).await,
            None => Answer::Failed,
        };
        let effects = self.gate.borrow_mut().answer(flight, &answer, clock::now());
        self.carry_out(effects);
    }
}

impl Authorizer {
    fn refuse(&self, refused: &Refused) -> HttpResponse {
        let status = refused.refusal.status();
        let level = if status < 500 {
            log::Level::Info
        } else {
            log::Level::Error
        };
        let code = refused.refusal.code();
        log::log!(
            target: AUDIT,
            level,
            event = "refused",
            endpoint = "authorize",
            status = status,
            code = code,
            reason = code;
            "refused authorize: {refused}"
        );
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        response
            .insert_header((CONTENT_TYPE, "application/json"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
        if let Some(challenge) = refused.challenge() {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        response.body(refused.refusal.body())
    }
}

/// Asks the authorization server, as the module asks it through Envoy.
pub(crate) async fn ask(http: &HttpClient, stage: &PhantomToken, request: Request) -> Answer {
    let url = format!("{}://{}{}", stage.scheme, stage.authority, stage.path);
    let make = || {
        // The endpoint is reached over what its URL says, so nothing in between has to be told.
        let is_sent = |name: &str| !name.starts_with(':') && name != FORWARDED_PROTO;
        let headers = request.headers.iter().filter(|(name, _)| is_sent(name));
        let made = headers.fold(oauth2::http::Request::post(&url), |made, (name, value)| {
            made.header(*name, value.as_str())
        });
        made.body(request.body.to_vec())
    };
    let attempt = async || match make() {
        Ok(made) => http.send(ServerEndpoint::Introspection, made).await,
        Err(error) => Err(HttpError::Request(error.to_string())),
    };
    let exchange = async {
        match attempt().await {
            // The server may have closed an idle connection at this very moment, and asking twice changes nothing.
            Err(HttpError::Broken(_)) => attempt().await,
            other => other,
        }
    };
    let status = |status| Answer::Response {
        status,
        content_type: Vec::new(),
        cache_control: Vec::new(),
        body: Some(Vec::new()),
    };
    let limit = Duration::from_millis(stage.timeout_ms);
    match tokio::time::timeout(limit, exchange).await {
        Ok(Ok(answer)) => Answer::Response {
            status: answer.status,
            content_type: answer.content_type.into_bytes(),
            cache_control: answer.cache_control,
            body: (answer.body.len() <= MAX_ANSWER_LEN).then(|| answer.body.to_vec()),
        },
        Ok(Err(HttpError::Status { status: code, .. })) => status(code),
        // Envoy's answer to the module where one is late.
        Err(_) | Ok(Err(HttpError::Timeout)) => status(504),
        Ok(Err(_)) => Answer::Failed,
    }
}

/// 200 with the headers that the API is to get. `Cookie` is always said as it is to be, for proxies that can only put one
/// in the place of another. What only the filter sets is always said to be removed, with `-`, with `_` and with `.`: the proxy
/// may not have told of the client's own. Those of which it has are named in whatever spelling they came.
fn forward(rules: &Config, request: &HttpRequest, edits: &Edits) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    let mut keeps_cookie = true;
    for (name, value) in edits.set() {
        keeps_cookie &= name != "cookie";
        response.insert_header((name, value));
    }
    let mut removed: Vec<String> = edits.remove.iter().map(|name| name.to_string()).collect();
    for ours in admission::own_headers(rules) {
        for name in [ours.to_owned(), ours.replace('-', "_"), ours.replace('-', ".")] {
            let is_set = edits.set().any(|(set, _)| set == name);
            if !is_set && !removed.contains(&name) {
                removed.push(name);
            }
        }
    }
    if keeps_cookie && !removed.iter().any(|name| name == "cookie") {
        let lines: Vec<&[u8]> = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes).collect();
        if !lines.is_empty() {
            response.insert_header((COOKIE, lines.join(&b"; "[..])));
        }
    }
    if !removed.is_empty() {
        response.insert_header((TO_REMOVE, removed.join(",")));
    }
    response.finish()
}

fn fault(why: &'static str) -> Refused {
    Refused {
        refusal: Refusal::ServerError,
        bearer_error: None,
        scopes: Vec::new(),
        why,
    }
}
