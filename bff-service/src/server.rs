//! The two HTTP servers: the API, and the admin listener.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpServer};

use crate::admin;
use crate::api::{self, Worker};
use crate::application::Application;
use crate::oauth::OAuthClient;

/// An idle connection is closed after this time. The proxy in front should close its own sooner, so that it never sends
/// a request into a connection that is just going away.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A request head that takes longer than this to arrive is given up with 408.
const REQUEST_HEAD: Duration = Duration::from_secs(10);
/// How long requests under way may take to finish once the service is told to stop.
const SHUTDOWN_SECONDS: u64 = 15;

/// Where the service listens.
pub struct Listeners {
    /// For the API.
    pub api: TcpListener,
    /// For probes and metrics.
    pub admin: TcpListener,
}

/// Serves until SIGTERM or SIGINT, then lets the requests under way finish.
pub async fn run(applications: Vec<Arc<Application>>, listeners: Listeners) -> io::Result<()> {
    let workers = applications
        .first()
        .and_then(|application| application.config.server.workers);
    let beside: Vec<_> = applications
        .iter()
        .map(|application| {
            let application = Arc::clone(application);
            actix_web::rt::spawn(async move { application.keep_up().await })
        })
        .collect();
    let for_admin = applications.clone();
    // `/authorize` is asked for every request of the API behind.
    let authorizes = applications
        .iter()
        .any(|application| application.config.authorize_rules().is_some());
    let mut api = HttpServer::new(move || {
        let worker = |application: &Arc<Application>| Worker {
            client: Rc::new(OAuthClient::new(&application.config, application.provider.clone())),
            application: Arc::clone(application),
        };
        App::new().configure(api::configure(applications.iter().map(worker).collect()))
    })
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(REQUEST_HEAD)
    .shutdown_timeout(SHUTDOWN_SECONDS);
    if let Some(workers) = workers {
        api = api.workers(workers);
    }
    let api = api.listen(listeners.api)?.run();
    // Probes go on being answered while the API finishes.
    let mut admin = HttpServer::new(move || App::new().configure(admin::configure(for_admin.clone())))
        .client_request_timeout(REQUEST_HEAD)
        .disable_signals();
    match (authorizes, workers) {
        (false, _) => admin = admin.workers(1),
        (true, Some(workers)) => admin = admin.workers(workers),
        // One for each core.
        (true, None) => {}
    }
    let admin = admin.listen(listeners.admin)?.run();
    let stop_admin = admin.handle();
    let admin = actix_web::rt::spawn(admin);
    let served = api.await;
    beside.iter().for_each(|task| task.abort());
    stop_admin.stop(false).await;
    match admin.await {
        Ok(admin) => served.and(admin),
        Err(error) => served.and(Err(io::Error::other(error))),
    }
}
