//! The demo's business API. It needs neither cookies nor the Backend for Frontend: every request for data must carry one
//! JWT access token (RFC 9068), which the API validates by itself, whichever proxy forwarded it.

mod config;
mod error;
mod jwks;
mod routes;
mod token;
mod trace;

#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use actix_web::http::KeepAlive;
use actix_web::middleware::Logger;
use actix_web::{App, HttpServer, web};

use crate::config::Config;
use crate::jwks::KeyStore;
use crate::token::Validator;

/// The side that closes an idle pooled connection may do so while a request is on its way. It must be the proxy, which
/// knows which requests it can retry: Envoy's default idle timeout is one hour.
const KEEP_ALIVE: Duration = Duration::from_secs(3_900);

#[actix_web::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> std::io::Result<()> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let config = Config::from_env(|name| std::env::var(name).ok()).map_err(std::io::Error::other)?;
    let validator = web::Data::new(Validator::new(&config.issuer, &config.audience, &config.token_type));
    let keys = web::Data::new(KeyStore::new(config.jwks_uri));

    let server = HttpServer::new(move || {
        App::new()
            // Method, path without query, status, milliseconds, and the ids that correlate the line with other programs' logs:
            // nothing that could hold a token.
            .wrap(
                Logger::new("%{method}xi %U %s %Dms request_id=%{request}xi trace_id=%{trace}xi parent_id=%{parent}xi")
                    .custom_request_replace("method", |request| request.method().to_string())
                    .custom_request_replace("request", |request| trace::request_id(request.headers()))
                    .custom_request_replace("trace", |request| trace::trace_id(request.headers()))
                    .custom_request_replace("parent", |request| trace::parent_id(request.headers())),
            )
            .app_data(validator.clone())
            .app_data(keys.clone())
            .app_data(web::Data::new(
                awc::Client::builder().timeout(Duration::from_secs(3)).finish(),
            ))
            .configure(routes::configure)
    })
    .workers(2)
    .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
    .shutdown_timeout(3)
    .bind((config.host.as_str(), config.port))
    .map_err(|error| {
        std::io::Error::other(format!(
            "listening at {}:{} failed: {error}: stop the program there, or set PORT to another port",
            config.host, config.port
        ))
    })?;
    println!(
        "started the demo API at http://{}:{} for {}",
        config.host, config.port, config.issuer
    );
    server.run().await
}
