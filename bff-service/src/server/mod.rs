//! The two HTTP servers, the API and the admin listener, and what runs beside them.
//!
//! * [`admin`]: what the admin listener has.
//! * [`signals`]: when to read the configuration again, and when to end; [`reload`]: how it is read again.
//! * [`otlp`]: where spans go.

pub mod admin;
pub mod otlp;
pub mod reload;
pub mod signals;

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};

use self::admin::ServiceState;
use self::reload::{ConfigReloader, ReadConfig};
use self::signals::{Shutdown, Signals};
use crate::api::call::Worker;
use crate::api::router;
use crate::application::Application;
use crate::application::exchanges::Exchanges;
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

/// Serves until SIGTERM or SIGINT, then lets the requests under way finish. `read_config` reads the configuration anew.
pub async fn run(applications: Vec<Arc<Application>>, listeners: Listeners, read_config: ReadConfig) -> io::Result<()> {
    let (workers, drain, every) = applications.first().map_or((None, 0, 0), |application| {
        let server = &application.config.server;
        (server.workers, server.drain_seconds, server.reread_seconds)
    });
    let state = ServiceState::default();
    let reloader = ConfigReloader::new(applications.clone(), read_config, Arc::clone(&state.reload_failed));
    let reloader = reloader.run(Duration::from_secs(every), Signals::listen()?);
    let mut beside: Vec<_> = applications
        .iter()
        .map(|application| {
            let application = Arc::clone(application);
            actix_web::rt::spawn(async move { application.run_background().await })
        })
        .collect();
    beside.push(actix_web::rt::spawn(reloader));
    for application in &applications {
        let client = Rc::new(OAuthClient::new(&application.config, application.provider.clone()));
        let exchanges = Arc::clone(&application.exchanges);
        beside.push(actix_web::rt::spawn(async move { exchanges.run(client).await }));
    }
    let exchanges: Vec<_> = applications
        .iter()
        .map(|application| Arc::clone(&application.exchanges))
        .collect();
    let for_admin = applications.clone();
    // `/authorize` is asked for every request of the API behind.
    let authorizes = applications
        .iter()
        .any(|application| application.config.authorize_rules().is_some());
    let is_draining = Arc::clone(&state.is_draining);
    let mut api = HttpServer::new(move || {
        let worker = |application: &Arc<Application>| Worker {
            client: Rc::new(OAuthClient::new(&application.config, application.provider.clone())),
            application: Arc::clone(application),
        };
        let workers = applications.iter().map(worker).collect();
        App::new().configure(router::configure(workers, Arc::clone(&is_draining)))
    })
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(REQUEST_HEAD)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals();
    if let Some(workers) = workers {
        api = api.workers(workers);
    }
    let api = api.listen(listeners.api)?.run();
    let end = end(
        Signals::listen()?,
        Duration::from_secs(drain),
        api.handle(),
        Arc::clone(&state.is_draining),
    );
    let end = actix_web::rt::spawn(end);
    // Probes go on being answered while the API finishes.
    let mut admin = HttpServer::new(move || App::new().configure(admin::configure(for_admin.clone(), state.clone())))
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
    match &served {
        Ok(()) if matches!(end.await, Ok(Shutdown::Graceful)) => finish(&exchanges).await?,
        Ok(()) | Err(_) => {}
    }
    beside.iter().for_each(|task| task.abort());
    stop_admin.stop(false).await;
    match admin.await {
        Ok(admin) => served.and(admin),
        Err(error) => served.and(Err(io::Error::other(error))),
    }
}

/// Waits for the exchanges whose callers are gone: nobody else has what comes of them. Another signal ends that.
async fn finish(exchanges: &[Arc<Exchanges>]) -> io::Result<()> {
    // From now on: the first one has been heard by whoever listened then.
    let mut again = Signals::listen()?;
    tokio::select! {
        () = Exchanges::finish_all(exchanges) => {}
        _ = again.shutdown() => {}
    }
    Ok(())
}

/// Ends the API when a signal says so: with SIGTERM after the time to drain, or at once with another signal meanwhile. Returns
/// how it was told to end.
async fn end(mut signals: Signals, drain: Duration, api: ServerHandle, is_draining: Arc<AtomicBool>) -> Shutdown {
    let mut how = signals.shutdown().await;
    if how == Shutdown::Graceful && !drain.is_zero() {
        is_draining.store(true, Relaxed);
        log::info!("received SIGTERM: draining for {} s", drain.as_secs());
        // Whoever says it twice does not want to wait.
        if let Ok(again) = tokio::time::timeout(drain, signals.shutdown()).await {
            how = again;
        }
    }
    log::info!("shutting down");
    api.stop(how == Shutdown::Graceful).await;
    how
}
