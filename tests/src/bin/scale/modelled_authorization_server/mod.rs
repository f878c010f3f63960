//! A **model** of an authorization server, in a process of its own. It is no real one: nobody signs in at a page, the
//! client's secret is not checked, and everything is in memory.
//!
//! What it models is what the service and the filter depend on: rotation of refresh tokens with detection of reuse
//! ([`grants`]), a latency, HTTP 429 with `Retry-After` above a rate ([`rate_limit`]), and absence: while it is away, nothing
//! listens at its port. A request that has no response when the absence begins has had no effect.
//!
//! * [`endpoints`]: the responses.
//! * [`tokens`]: the form of its tokens.
//! * [`counts`]: what arrived.

mod counts;
mod endpoints;
mod grants;
mod rate_limit;
pub(crate) mod tokens;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use self::counts::Counts;
use self::grants::Grants;
use self::rate_limit::RateLimit;
use crate::http::Connection;

/// A sign-in whose code was not used yet.
struct PendingCode {
    nonce: String,
    code_challenge: String,
}

/// The state that a real server has in a database.
struct State {
    grants: Grants,
    codes: HashMap<String, PendingCode>,
    counts: Counts,
    token_limit: RateLimit,
    introspection_limit: RateLimit,
}

/// The server.
pub(crate) struct Model {
    state: Mutex<State>,
    signing_key: KeyPair,
    issuer: String,
    token_seconds: u64,
    latency: Duration,
}

/// Serves until the process is ended. `settings` are those of `Settings::for_the_model`.
///
/// # Errors
/// A setting is missing, or a port cannot be used.
pub(crate) fn run(settings: &str) -> Result<(), String> {
    let settings: Value = serde_json::from_str(settings)
        .map_err(|error| format!("invalid settings of the modelled authorization server: {error}"))?;
    let number = |name: &str| {
        settings[name]
            .as_u64()
            .ok_or_else(|| format!("missing setting {name}: run this with `cargo xtask scale`"))
    };
    let port = |name: &str| Ok::<_, String>(u16::try_from(number(name)?).unwrap_or(0));
    let (own, control_port) = (port("port")?, port("control_port")?);
    let limit = settings["limit_per_second"].as_f64().unwrap_or(f64::MAX);
    let sealed = u32::try_from(number("sealed")?).unwrap_or(u32::MAX);
    let model = Arc::new(Model {
        state: Mutex::new(State {
            grants: Grants::new(sealed),
            codes: HashMap::new(),
            counts: Counts::default(),
            token_limit: RateLimit::new(limit),
            introspection_limit: RateLimit::new(limit),
        }),
        signing_key: KeyPair::generate_for(&PKCS_ED25519)
            .map_err(|error| format!("generating the signing key failed: {error}"))?,
        issuer: format!("http://127.0.0.1:{own}"),
        token_seconds: number("token_seconds")?,
        latency: Duration::from_millis(number("latency_ms")?),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("starting the runtime failed: {error}"))?;
    runtime.block_on(async {
        let (away, is_away) = watch::channel(false);
        let controls = listen(control_port).await?;
        tokio::spawn(control(controls, Arc::clone(&model), away));
        serve(own, model, is_away).await
    })
}

async fn listen(port: u16) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    listener.map_err(|error| format!("listening at 127.0.0.1:{port} failed: {error}"))
}

/// Listens whenever the server is not away.
async fn serve(port: u16, model: Arc<Model>, mut is_away: watch::Receiver<bool>) -> Result<(), String> {
    loop {
        let gone = |_| "the control has ended".to_owned();
        is_away.wait_for(|away| !away).await.map_err(gone)?;
        let listener = listen(port).await?;
        let mut left = is_away.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    tokio::spawn(exchange(stream, Arc::clone(&model), is_away.clone()));
                }
                _ = left.wait_for(|away| *away) => break,
            }
        }
    }
}

/// The requests of one connection. A response and its effect happen together, so that absence loses no rotation. The
/// death of a client loses one.
async fn exchange(stream: TcpStream, model: Arc<Model>, mut is_away: watch::Receiver<bool>) -> io::Result<()> {
    let mut connection = Connection::new(stream)?;
    loop {
        let request = tokio::select! {
            request = connection.read() => request?,
            _ = is_away.wait_for(|away| *away) => return Ok(()),
        };
        let Some(request) = request else { return Ok(()) };
        let received_at = now_ms();
        model.count_arrival(&request, received_at);
        tokio::time::sleep(model.latency).await;
        if *is_away.borrow() {
            return Ok(());
        }
        let response = model.respond(&request, received_at);
        connection.write(&response).await?;
    }
}

/// `/away` and `/back`, and what was counted.
async fn control(listener: TcpListener, model: Arc<Model>, away: watch::Sender<bool>) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut connection) = Connection::new(stream) else {
            continue;
        };
        let Ok(Some(request)) = connection.read().await else {
            continue;
        };
        let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
        let body = match path {
            "/away" | "/back" => {
                away.send_replace(path == "/away");
                Value::Null
            }
            "/uses" => model.state().grants.uses(query.parse().unwrap_or(u32::MAX)),
            _ => model.state().counts.to_json(),
        };
        // The run reads to the end of the connection.
        let _ = connection
            .write(&endpoints::response(
                "200 OK",
                "connection: close\r\n",
                &body.to_string(),
            ))
            .await;
    }
}

impl Model {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a permit of the endpoint's limit. Returns whether there was one.
    fn take_permit(&self, is_introspection: bool) -> bool {
        let mut state = self.state();
        let limit = match is_introspection {
            true => &mut state.introspection_limit,
            false => &mut state.token_limit,
        };
        limit.take_permit(Instant::now())
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
