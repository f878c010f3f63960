//! The demo's web host: the files of the single page application, and its commands to the program that runs the demo. It
//! receives no cookie and no token. Its headers keep other sites from framing the page and from running script in it.

mod compressed;
mod config;
mod control;
mod headers;
mod site;

use std::process::ExitCode;
use std::time::Duration;

use actix_web::http::KeepAlive;
use actix_web::middleware::{Logger, from_fn};
use actix_web::{App, HttpServer, web};

use crate::config::Config;

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
    let (host, port) = (config.host.clone(), config.port);
    let compressed = web::Data::new(compressed::Compressed::of(&config.content_dir)?);
    let config = web::Data::new(config);

    let server = HttpServer::new(move || {
        App::new()
            // The path only: the query of a page's URL may hold an authorization code.
            .wrap(
                Logger::new("%{method}xi %U %s %Dms")
                    // The page polls it every two seconds.
                    .exclude("/demo/state")
                    .custom_request_replace("method", |request| request.method().to_string()),
            )
            .wrap(from_fn(compressed::serve))
            .wrap(from_fn(headers::add))
            .app_data(config.clone())
            .app_data(compressed.clone())
            .configure(site::configure(&config))
    })
    .workers(1)
    .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
    .shutdown_timeout(3)
    .bind((host.as_str(), port))
    .map_err(|error| {
        std::io::Error::other(format!(
            "listening at {host}:{port} failed: {error}: stop the program there, or set PORT to another port"
        ))
    })?;
    println!("started the demo web host at http://{host}:{port}");
    server.run().await
}
