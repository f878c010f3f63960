//! What the demo's containers need and an image without a shell does not have.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode};

use demo_system::{Options, variable};

const USAGE: &str = "\
usage: demo-containers setup FOLDER                          makes certificates, secrets and configuration
       demo-containers probe ADDRESS PATH                    asks over http whether a process is well, prints the answer
       demo-containers exec --env-file FILE -- PROGRAM ARG…  becomes a program, with the variables of a file

environment of setup: BFF_DEMO_DOMAIN (example.localhost), BFF_DEMO_PORT (8443), COMPOSE_PROFILES (redis)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["setup", folder] => setup(Path::new(folder)),
        ["probe", address, path] => probe(address, path),
        ["exec", "--env-file", file, "--", program, arguments @ ..] => exec(Path::new(file), program, arguments),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("demo-containers: {message}");
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
    println!("everything is there for https://www.{domain}:{port}");
    Ok(())
}

/// A refusal is an answer, a server error is none.
fn probe(address: &str, path: &str) -> Result<(), String> {
    let address: SocketAddr = address
        .parse()
        .map_err(|_| format!("`{address}` should be an address and a port"))?;
    match demo_system::get(address, path) {
        Ok((status, body)) if status < 500 => {
            println!("{}", body.trim_end());
            Ok(())
        }
        Ok((status, _)) => Err(format!("{address}{path} answers {status}")),
        Err(error) => Err(format!("{address}{path}: {error}")),
    }
}

/// Variables are `NAME=value`, one a line.
fn exec(file: &Path, program: &str, arguments: &[&str]) -> Result<(), String> {
    let text = demo_system::files::read(file)?;
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let mut command = Command::new(program);
    command.args(arguments).envs(variables);
    #[cfg(unix)]
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    #[cfg(not(unix))]
    let error = "containers are Linux";
    Err(format!("{program} cannot be started: {error}"))
}
