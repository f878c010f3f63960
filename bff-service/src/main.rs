//! `bff-service`: serves the BFF's endpoints, checks a configuration, asks a running service whether it is ready, or
//! generates cookie keys or prints the fingerprints of existing ones.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bff_service::application;
use bff_service::cli::args::{self, Command, USAGE};
use bff_service::cli::check;
use bff_service::cli::environment::Environment;
use bff_service::cli::keys::{self, KeysError};
use bff_service::cli::ready;
use bff_service::config::{self, Config};
use bff_service::server::otlp;
use bff_service::server::reload::ReadConfig;
use bff_service::server::{self, Listeners};
use bff_service::telemetry::logging::{self, LogFormat};
use bff_service::version::{COMMIT, VERSION};

const NO_APPLICATION: &str = "missing application: configure one, or several as [applications.<name>]";

fn main() -> ExitCode {
    // TLS to Redis uses this provider, and all other connections name theirs. Without it, rustls would take that of its
    // crate features, and panic if a dependency enabled a second one.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("error: installing the TLS cryptography provider failed: another one is already installed");
        return ExitCode::FAILURE;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("keys", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return run_keys(rest);
    }
    let (command, config) = match args::parse(arguments) {
        Ok(parsed) => parsed,
        Err(message) => {
            eprintln!("error: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match command {
        Command::Help => println!("{USAGE}"),
        Command::Version => println!("bff-service {VERSION} (commit {COMMIT})"),
        Command::Serve | Command::Check | Command::Ready => return exit_code(run(command, &config)),
    }
    ExitCode::SUCCESS
}

fn exit_code(outcome: Result<ExitCode, String>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run_keys(arguments: &[String]) -> ExitCode {
    match keys::run(arguments, |name| std::env::var(name).ok()) {
        Ok(text) => {
            print!("{}", *text);
            ExitCode::SUCCESS
        }
        Err(KeysError::Failed(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
        Err(KeysError::Usage(message)) => {
            eprintln!("error: {message}\n\n{}", keys::USAGE);
            ExitCode::from(2)
        }
    }
}

fn run(command: Command, path: &Path) -> Result<ExitCode, String> {
    let variables = Environment::of_the_process();
    let environment = |name: &str| variables.get(name);
    let format = match environment("BFF_LOG_FORMAT") {
        Some(format) => format.parse()?,
        None => LogFormat::default(),
    };
    logging::init(format);
    logging::log_subjects(match environment("BFF_LOG_SUBJECT").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(format!("invalid BFF_LOG_SUBJECT `{other}`: write `true` or `false`")),
    });
    let actix = actix_web::rt::System::new();
    if command == Command::Check {
        let mut report = actix.block_on(check::check(path, environment));
        report.warnings.extend(variables.warnings());
        println!("{report}");
        return Ok(ExitCode::from(report.exit_code()));
    }
    let configs = config::load(path, environment).map_err(|error| format!("invalid configuration:\n{error}"))?;
    if command == Command::Ready {
        let admin = configs.first().map(Config::admin_address);
        ready::ask(admin.ok_or(NO_APPLICATION)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    log::info!("starting bff-service {VERSION} (commit {COMMIT})");
    for config in &configs {
        let name = config
            .name()
            .map_or_else(String::new, |name| format!("application `{name}`: "));
        for warning in config.warnings() {
            log::warn!("{name}{warning}");
        }
    }
    for warning in variables.warnings() {
        log::warn!("{warning}");
    }
    let path = path.to_owned();
    let again = |name: &str| std::env::var(name).ok();
    actix.block_on(serve(configs, Arc::new(move || config::load(&path, again))))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(configs: Vec<Config>, read_config: ReadConfig) -> Result<(), String> {
    // All applications share the listeners.
    let config = configs.first().ok_or(NO_APPLICATION)?;
    let listeners = Listeners {
        api: listen("server.port", config.api_address())?,
        admin: listen("server.admin_port", config.admin_address())?,
    };
    let export = otlp::start(|name| std::env::var(name).ok())?;
    let served = server::run(application::build_all(configs)?, listeners, read_config).await;
    if let Some(export) = export {
        export.finish().await;
    }
    served.map_err(|error| format!("serving failed: {error}"))
}

fn listen(what: &str, address: SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("{what}: listening on {address} failed: {error}: write another address or port"))?;
    match listener.local_addr() {
        Ok(bound) => log::info!("{what}: listening on {bound}"),
        Err(error) => log::warn!("{what}: reading the address of the listener failed: {error}"),
    }
    Ok(listener)
}
