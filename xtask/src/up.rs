//! `cargo xtask up`: starts the demo system and keeps it running.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use demo_system::{Component, Options, System, variable};

use crate::result::Result;
use crate::walkthrough::Walkthrough;
use crate::{command, programs, workspace};

const POLL: Duration = Duration::from_millis(200);

/// The command line.
#[derive(Default)]
pub(crate) struct Flags {
    check: bool,
    no_envoy: bool,
}

impl Flags {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Flags> {
        let mut flags = Flags::default();
        for argument in arguments {
            match *argument {
                "--check" => flags.check = true,
                "--no-envoy" => flags.no_envoy = true,
                other => {
                    return Err(format!(
                        "unknown option `{other}` of up: the options are --check and --no-envoy"
                    ));
                }
            }
        }
        match flags.check && flags.no_envoy {
            true => Err("--check needs Envoy: leave out --no-envoy".to_owned()),
            false => Ok(flags),
        }
    }
}

pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    let mut options = options()?;
    if flags.no_envoy {
        options.without.push(Component::Envoy);
    }
    if flags.check && options.web_origin.is_some() {
        return Err("--check walks through the demo's own page: unset BFF_DEMO_WEB_ORIGIN".to_owned());
    }
    // Before the build, which takes minutes.
    options.check()?;
    let (artifacts, node) = programs::build(!flags.no_envoy)?;
    let walkthrough = match flags.check {
        true => Some(Walkthrough::prepare(node)?),
        false => None,
    };

    let interrupted = Arc::clone(&options.interrupted);
    command::set_when_interrupted(&interrupted)?;
    command::progress("starting the system");
    let system = match System::start(&artifacts, options) {
        Ok(system) => system,
        Err(_) if interrupted.load(Ordering::Relaxed) => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(error.into()),
    };
    match walkthrough {
        Some(walkthrough) => check(&system, &walkthrough),
        None => serve(&system, &interrupted),
    }
}

/// The demo's options from the environment.
pub(crate) fn options() -> Result<Options> {
    let mut options = Options::demo_from_env(workspace::target().join("demo"))?;
    options.web_origin = variable("BFF_DEMO_WEB_ORIGIN");
    if let Some(collector) = variable("BFF_DEMO_OTLP") {
        let address = collector.parse().map_err(|_| {
            "invalid BFF_DEMO_OTLP: write the address at which an OpenTelemetry collector receives OTLP over HTTP, such as \
             127.0.0.1:4318"
        })?;
        options.otel_collector = Some(address);
    }
    Ok(options)
}

/// Runs until Ctrl-C, or until a component exits by itself.
fn serve(system: &System, interrupted: &AtomicBool) -> Result<ExitCode> {
    describe(system);
    while !interrupted.load(Ordering::Relaxed) {
        if let Some(error) = system.failure() {
            return Err(error.into());
        }
        std::thread::sleep(POLL);
    }
    command::progress("stopping");
    Ok(ExitCode::SUCCESS)
}

fn describe(system: &System) {
    let options = system.options();
    let directory = system.directory().display();
    println!();
    if options.without.contains(&Component::Envoy) {
        println!("  Envoy     not started. To start it by hand, from the repository's root:");
        println!("              set -a; . {directory}/envoy.env; set +a; envoy -c {directory}/envoy.yaml");
    }
    match &options.web_origin {
        Some(origin) => println!(
            "  Open      {origin}/, which you serve; it must forward /bff and /api to {}",
            system.api()
        ),
        None => println!("  Open      {}/", system.www()),
    }
    println!("  Sign in   demouser / Password1");
    println!("  Logs      {directory}/logs");
    println!("  CA        {}", system.ca_pem().display());
    println!("            The browser warns until it trusts this CA; its private key was deleted after signing.");
    println!("  Stop      Ctrl-C");
    println!();
}

/// The walkthrough in a browser; its status is the result.
fn check(system: &System, walkthrough: &Walkthrough) -> Result<ExitCode> {
    let code = walkthrough.run(system.options(), &system.ca_pem())?;
    match system.failure() {
        Some(error) => Err(error.into()),
        None => Ok(code),
    }
}
