//! `/authorize`: the filter's rules for proxies that ask an HTTP service about each request, such as Envoy with
//! `ext_authz`, nginx with `auth_request` and Traefik with ForwardAuth. It is the second host of the [`Gateway`], after
//! the filter.
//!
//! * `decision`: the response to the proxy; [`callout`]: requests to the authorization server.
//!
//! On the admin listener only: the response contains the access token for the API, which a page must not get.

pub mod callout;
mod decision;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, HttpResponse, web};
use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::{RequestAttributes, StreamId};
use bff_core::gateway::authorization_server::{ServerRequest, ServerResponse};
use bff_core::gateway::config::PhantomToken;
use bff_core::gateway::effect::{Command, Decision, Effect};
use bff_core::gateway::single_flight::FlightId;
use bff_core::request::head::RequestHead;
use tokio::sync::oneshot;

use self::callout::call_out;
use self::decision::{error_code, server_error, to_response};
use crate::application::Application;
use crate::clock;
use crate::config::AuthorizeRules;
use crate::oauth::http::HttpClient;
use crate::telemetry::request_context::{RequestContext, RequestId};
use crate::telemetry::trace::TraceContext;
use bff_core::request::values::Values;

/// If the application has rules for `/authorize`, registers it and all paths below it. In a configuration with
/// `[applications]`, the path is `/authorize/<name>`.
pub fn configure(application: &Arc<Application>, app: &mut web::ServiceConfig) {
    let Some(rules) = application.live.authorize_rules() else {
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
                let given = RequestId::of_request(headers);
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

/// The authorizer for the rules in force. New rules get a new authorizer with empty caches. The previous one answers
/// the requests that wait for it.
fn current(authorizer: &RefCell<Rc<Authorizer>>) -> Rc<Authorizer> {
    let mut authorizer = authorizer.borrow_mut();
    if let Some(rules) = authorizer.application.live.authorize_rules()
        && !Arc::ptr_eq(&rules, &authorizer.rules)
    {
        *authorizer = Authorizer::new(Arc::clone(&authorizer.application), rules);
    }
    Rc::clone(&authorizer)
}

/// The gateway of one worker, and its pending requests.
struct Authorizer {
    application: Arc<Application>,
    rules: Arc<AuthorizeRules>,
    method_header: Option<HeaderName>,
    http: HttpClient,
    stage: Option<PhantomToken>,
    /// Never borrowed across an `await`.
    gateway: RefCell<Gateway>,
    waiting: RefCell<HashMap<StreamId, oneshot::Sender<Decision>>>,
    next: Cell<StreamId>,
}

/// The connection of the caller to the proxy, of which the service knows nothing. Therefore the gateway refuses a bearer
/// token that is bound to a certificate, and a route has no metadata.
struct UnknownConnection;

impl RequestAttributes for UnknownConnection {
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
            http: application.authorization_server.http_client(),
            stage: rules.rules.phantom_token.clone(),
            gateway: RefCell::new(Gateway::new((*rules.rules).clone())),
            rules,
            waiting: RefCell::default(),
            next: Cell::new(0),
            application,
        })
    }

    /// Decides on the request, and counts the decision.
    async fn answer(self: Rc<Self>, request: &HttpRequest) -> HttpResponse {
        let began = Instant::now();
        let decision = Rc::clone(&self).decide(request).await;
        let response = to_response(&decision, &self.rules.rules, request);
        let error = error_code(&decision);
        let metrics = &self.application.metrics;
        metrics.count_request("authorize", error.unwrap_or("ok"), began.elapsed());
        RequestContext::end_span("GET", || "/authorize".to_owned(), response.status().as_u16(), error);
        response
    }

    async fn decide(self: Rc<Self>, request: &HttpRequest) -> Decision {
        let Some(head) = self.head(request) else {
            return server_error(
                "the header of `authorize.method_header` is missing, empty or repeated: configure the proxy to set it once",
            );
        };
        let stream = self.next.get().wrapping_add(1);
        self.next.set(stream);
        let (decided, decision) = oneshot::channel();
        self.waiting.borrow_mut().insert(stream, decided);
        let now = clock::now();
        // First, because nothing else drives this gateway: the list of ended sessions must be current.
        let due = self.gateway.borrow_mut().on_tick(now);
        self.carry_out(due);
        let effect = {
            let mut gateway = self.gateway.borrow_mut();
            let effect = gateway.on_request(stream, &head, &UnknownConnection, now);
            effect.or_else(|| gateway.call_out(stream, Duration::from_secs(now)))
        };
        self.carry_out(Vec::from_iter(effect));
        // If a caller disconnects, its introspection or token exchange continues for other requests with the same token,
        // within the timeout.
        let undecided = |_| server_error("internal error: no decision");
        decision.await.unwrap_or_else(undecided)
    }

    /// The head of the original request.
    fn head<'a>(&self, request: &'a HttpRequest) -> Option<RequestHead<'a>> {
        let mut method = request.method().as_str().as_bytes();
        if let Some(name) = &self.method_header {
            let value = Values::of(request.headers().get_all(name)).single()?;
            method = value.as_bytes();
            if method.is_empty() {
                return None;
            }
        }
        let lines = request
            .headers()
            .iter()
            .filter(|(name, _)| Some(*name) != self.method_header.as_ref());
        let lines = lines.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        Some(RequestHead::new(
            std::iter::once((&b":method"[..], method)).chain(lines),
        ))
    }

    fn carry_out(self: &Rc<Self>, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Decide { stream, decision } => self.end(stream, decision),
                Effect::Run(Command::CallOut { flight, request }) => {
                    actix_web::rt::spawn(RequestContext::inherit(Rc::clone(self).call_out(flight, request)));
                }
                // A request whose caller has left continues to wait, so no introspection or token exchange is lost.
                // Nothing is shared with other workers.
                Effect::Run(Command::Share { .. } | Command::TakeOver { .. } | Command::Store(_)) => {}
                // The service has the list itself.
                Effect::Run(Command::PollEndedSessions { path, .. }) => {
                    let known = path.rsplit_once("known=").map_or("", |(_, known)| known);
                    let list = self.application.ended.to_json(known);
                    let status = if list.is_some() { 200 } else { 204 };
                    let body = list.as_deref().map(str::as_bytes);
                    self.gateway.borrow_mut().on_ended_sessions(status, body);
                }
                Effect::Run(Command::Warn(notice)) => log::warn!("authorize: {notice}"),
            }
        }
    }

    fn end(&self, stream: StreamId, decision: Decision) {
        if let Some(decided) = self.waiting.borrow_mut().remove(&stream) {
            // Without a receiver, the caller has disconnected.
            let _ = decided.send(decision);
        }
    }

    async fn call_out(self: Rc<Self>, flight: FlightId, request: ServerRequest) {
        let response = match &self.stage {
            Some(stage) => call_out(&self.http, stage, request).await,
            None => ServerResponse::Failed,
        };
        let effects = self
            .gateway
            .borrow_mut()
            .on_server_response(flight, &response, clock::now());
        self.carry_out(effects);
    }
}
