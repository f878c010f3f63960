//! The two HTTP servers, for the endpoints and for the admin listener, and the background tasks.
//!
//! * [`admin`]: the endpoints of the admin listener.
//! * [`signals`]: the signals for reload and shutdown; [`reload`]: reloading the configuration.
//! * [`otlp`]: the export of spans.

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

/// Keep-alive timeout of an idle connection. That of the proxy in front of the service should be shorter, so that the
/// proxy never sends a request on a connection that the service is closing.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Time limit for receiving a request head. After that the response is HTTP 408.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for requests in progress at shutdown.
const SHUTDOWN_SECONDS: u64 = 15;

/// The sockets that are bound before the service starts, so that a port in use is an error at once.
pub struct Listeners {
    /// The listener of the endpoints.
    pub api: TcpListener,
    /// The admin listener.
    pub admin: TcpListener,
}

/// Serves until SIGTERM, SIGINT or SIGQUIT. After SIGTERM, finishes the requests in progress. `read_config` reads the
/// configuration for a reload.
///
/// # Errors
/// A listener cannot be used, or the process cannot receive signals.
pub async fn run(applications: Vec<Arc<Application>>, listeners: Listeners, read_config: ReadConfig) -> io::Result<()> {
    let (workers, drain, every) = applications.first().map_or((None, 0, 0), |application| {
        let server = &application.config.server;
        (server.workers, server.drain_seconds, server.reread_seconds)
    });
    let state = ServiceState::default();
    let reloader = ConfigReloader::new(applications.clone(), read_config, Arc::clone(&state.has_reload_failed));
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
        let client = Rc::new(OAuthClient::new(
            &application.config,
            application.authorization_server.clone(),
        ));
        let exchanges = Arc::clone(&application.exchanges);
        beside.push(actix_web::rt::spawn(async move { exchanges.run(client).await }));
    }
    let exchanges: Vec<_> = applications
        .iter()
        .map(|application| Arc::clone(&application.exchanges))
        .collect();
    let for_admin = applications.clone();
    // `/authorize` is called for every request to the API that the gateway protects.
    let authorizes = applications
        .iter()
        .any(|application| application.config.authorize_rules().is_some());
    let is_draining = Arc::clone(&state.is_draining);
    let mut api = HttpServer::new(move || {
        let worker = |application: &Arc<Application>| Worker {
            client: Rc::new(OAuthClient::new(
                &application.config,
                application.authorization_server.clone(),
            )),
            application: Arc::clone(application),
        };
        let workers = applications.iter().map(worker).collect();
        App::new().configure(router::configure(workers, Arc::clone(&is_draining)))
    })
    .tcp_nodelay(true)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(REQUEST_HEAD_TIMEOUT)
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
    // The admin listener answers health checks while the endpoints finish their requests.
    let mut admin = HttpServer::new(move || App::new().configure(admin::configure(for_admin.clone(), state.clone())))
        .tcp_nodelay(true)
        .client_request_timeout(REQUEST_HEAD_TIMEOUT)
        .disable_signals();
    match (authorizes, workers) {
        (false, _) => admin = admin.workers(1),
        (true, Some(workers)) => admin = admin.workers(workers),
        // The default: one worker for each core.
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

/// Waits for the exchanges and revocations that are in progress without their callers: only this process has the results
/// of the exchanges. Another signal stops the wait.
async fn finish(exchanges: &[Arc<Exchanges>]) -> io::Result<()> {
    // A new listener: the first signal has already been received.
    let mut again = Signals::listen()?;
    tokio::select! {
        () = Exchanges::finish_all(exchanges) => {}
        _ = again.shutdown() => {}
    }
    Ok(())
}

/// Stops the server of the endpoints after a signal: after SIGTERM when the drain time has passed, or at once after
/// another signal. Returns the kind of shutdown.
async fn end(mut signals: Signals, drain: Duration, api: ServerHandle, is_draining: Arc<AtomicBool>) -> Shutdown {
    let mut how = signals.shutdown().await;
    // Nobody is to send further requests while those in progress finish.
    is_draining.store(how == Shutdown::Graceful, Relaxed);
    if how == Shutdown::Graceful && !drain.is_zero() {
        log::info!("received SIGTERM: draining for {} s", drain.as_secs());
        // A second signal stops the drain.
        if let Ok(again) = tokio::time::timeout(drain, signals.shutdown()).await {
            how = again;
        }
    }
    match how {
        Shutdown::Graceful => {
            log::info!("received SIGTERM: shutting down: requests in progress have {SHUTDOWN_SECONDS} s");
        }
        Shutdown::Immediate => log::info!("received SIGINT or SIGQUIT: shutting down at once"),
    }
    api.stop(how == Shutdown::Graceful).await;
    how
}
