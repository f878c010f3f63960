//! `cargo xtask up`: starts the demo system and keeps it running.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use demo_system::{Component, Control, Options, System, variable};

use crate::programs::Form;
use crate::result::Result;
use crate::walkthrough::Walkthrough;
use crate::{command, programs, terminal, tools, workspace};

const POLL: Duration = Duration::from_millis(200);

/// The command line.
#[derive(Default)]
pub(crate) struct Flags {
    check: bool,
    no_envoy: bool,
    replicas: bool,
    form: Form,
}

impl Flags {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Flags> {
        let mut flags = Flags::default();
        for argument in arguments {
            match *argument {
                "--check" => flags.check = true,
                "--no-envoy" => flags.no_envoy = true,
                "--replicas" => flags.replicas = true,
                "--native" => flags.form = Form::Native,
                other => {
                    return Err(format!(
                        "invalid argument `{other}` of up: write --check, --native, --no-envoy or --replicas"
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
    if flags.replicas {
        options.without.retain(|component| *component == Component::Envoy);
    }
    // Before the build, which takes minutes.
    options.check()?;
    if !workspace::target().join("spa.stamp").is_file() {
        command::progress(
            "fetching what is missing, and building everything, for the first run: about three minutes on two cores",
        );
    }
    let (mut artifacts, node) = programs::build_with(!flags.no_envoy, flags.form)?;
    if flags.replicas {
        artifacts.redis = Some(tools::redis::find()?);
    }
    let walkthrough = match flags.check {
        true => Some(Walkthrough::prepare(node)?),
        false => None,
    };

    let interrupted = Arc::clone(&options.interrupted);
    command::set_when_interrupted(&interrupted)?;
    let control = Control::listen(&mut options)?;
    command::progress("starting the system");
    let system = match System::start(&artifacts, options) {
        Ok(system) => system,
        Err(_) if interrupted.load(Ordering::Relaxed) => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(error.into()),
    };
    match walkthrough {
        Some(walkthrough) => check(&system, &control, &walkthrough),
        None => serve(&system, &control, &interrupted),
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

/// Runs until Ctrl-C. If a component exits by itself, the others continue, so that its absence can be seen.
fn serve(system: &System, control: &Control, interrupted: &AtomicBool) -> Result<ExitCode> {
    describe(system);
    while !interrupted.load(Ordering::Relaxed) {
        for (component, error) in system.take_failures() {
            command::warn(&format!(
                "{error}\n    the rest of the demo continues: press Enter here or use the page to start {component} again"
            ));
        }
        control.respond(system);
        if terminal::is_line_entered() {
            start_what_is_stopped(system);
        }
        std::thread::sleep(POLL);
    }
    command::progress("stopping the system");
    Ok(ExitCode::SUCCESS)
}

fn start_what_is_stopped(system: &System) {
    let is_stopped = |component: &Component| system.options().has(*component) && system.pid(*component).is_none();
    for component in Component::ALL.into_iter().filter(is_stopped) {
        command::progress(&format!("starting {component} again"));
        if let Err(error) = system.launch(component) {
            command::warn(&error.to_string());
        }
    }
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
            "  Open      {origin}/, which you serve. Your server must forward /bff and /api to {}",
            system.api()
        ),
        None => println!("  Open      {}/", system.www()),
    }
    println!("  Sign in   demouser / Password1");
    println!("  CA        {}", system.ca_pem().display());
    println!(
        "            Until the browser trusts it, the browser warns {}",
        warnings(options)
    );
    println!("            The CA's private key was discarded after signing.");
    println!("  Logs      {directory}/logs");
    println!("  Stop      Ctrl-C");
    println!();
}

/// How often a browser that does not trust the CA warns: once for each host that it opens.
fn warnings(options: &Options) -> &'static str {
    match (options.web_origin.is_some(), options.one_origin) {
        // The browser opens the user's own server, which forwards to the API.
        (true, _) => "once: about the login page.",
        (false, true) => "twice: about the page and the login page.",
        (false, false) => {
            "three times: about the page, about the API (the page has the link), and about the login page."
        }
    }
}

/// Walks through the demo in a browser, and returns the exit status.
fn check(system: &System, control: &Control, walkthrough: &Walkthrough) -> Result<ExitCode> {
    let code = control.respond_during(system, || walkthrough.run(system.options(), &system.ca_pem()))?;
    match system.failure() {
        Some(error) => Err(error.into()),
        None => Ok(code),
    }
}
