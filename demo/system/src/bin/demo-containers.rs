//! The commands that the demo's containers need, since their images have no shell.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode};

use demo_system::{Options, variable};

const USAGE: &str = "\
usage: demo-containers setup FOLDER                          writes certificates, secrets and configuration
       demo-containers probe ADDRESS PATH                    requests a health check over HTTP, prints the response
       demo-containers exec --env-file FILE -- PROGRAM ARG…  replaces itself by a program, with the variables of a file

environment of setup: BFF_DEMO_DOMAIN (default example.localhost), BFF_DEMO_PORT (default 8443),
                      COMPOSE_PROFILES (with redis in the list, the replicas share Redis)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["setup", folder] => setup(Path::new(folder)),
        ["probe", address, path] => probe(address, path),
        ["exec", "--env-file", file, "--", program, arguments @ ..] => exec(Path::new(file), program, arguments),
        _ => Err(format!("invalid arguments: write one of these:\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn setup(folder: &Path) -> Result<(), String> {
    let Options { domain, ports, .. } = Options::demo_from_env(folder)?;
    let port = ports.public;
    let profiles = variable("COMPOSE_PROFILES").unwrap_or_default();
    let redis = profiles.split(',').any(|profile| profile.trim() == "redis");
    demo_system::containers::prepare(folder, &domain, port, redis)?;
    println!("prepared certificates, secrets and configuration for https://www.{domain}:{port}");
    Ok(())
}

/// Any status below HTTP 500 is healthy.
fn probe(address: &str, path: &str) -> Result<(), String> {
    let address: SocketAddr = address
        .parse()
        .map_err(|_| format!("invalid address `{address}`: write IP_ADDRESS:PORT, such as 127.0.0.1:3002"))?;
    match demo_system::get(address, path) {
        Ok((status, body)) if status < 500 => {
            println!("{}", body.trim_end());
            Ok(())
        }
        Ok((status, _)) => Err(format!("health check of {address}{path} failed: HTTP {status}")),
        Err(error) => Err(format!("health check of {address}{path} failed: {error}")),
    }
}

/// The file has one variable per line: `NAME=value`.
fn exec(file: &Path, program: &str, arguments: &[&str]) -> Result<(), String> {
    let text = demo_system::files::read(file)?;
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let mut command = Command::new(program);
    command.args(arguments).envs(variables);
    #[cfg(unix)]
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    #[cfg(not(unix))]
    let error = "it is only for containers, which run Linux";
    Err(format!("starting {program} failed: {error}"))
}
