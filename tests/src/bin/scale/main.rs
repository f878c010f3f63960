//! `cargo xtask scale`: how many introspections and refreshes the authorization server gets, what a failure costs, and
//! whether a session is lost, with a hundred thousand sessions at several Envoys and replicas.
//!
//! Envoy, the filter, the service and Redis are real. The authorization server is a model, since only a model counts and
//! logs what the accounts need, and is away on demand. Browsers and API are in this process.
//!
//! * [`settings`]: sizes, and how much faster the users' time is.
//! * [`modelled_authorization_server`]: in a process of its own.
//! * [`part`], [`deployment`]: the processes.
//! * [`api`]: in place of the API.
//! * [`session`], [`line`], [`page`], [`population`]: cookies, connections, pages, and the users' plan.
//! * [`world`]: what they share and note.
//! * [`events`]: what is replaced, killed, and away.
//! * [`figures`], [`ledger`], [`pass`], [`report`]: the results.

mod api;
mod deployment;
mod events;
mod figures;
// The same messages over the same connections as in the measurements.
#[path = "../../../../bench/src/http.rs"]
mod http;
mod ledger;
mod line;
mod modelled_authorization_server;
mod page;
mod part;
mod pass;
mod population;
mod report;
mod session;
mod settings;
mod world;

use std::process::ExitCode;

use crate::pass::Pass;
use crate::settings::Settings;

/// The first argument of the process that is the modelled authorization server.
const MODEL: &str = "modelled-authorization-server";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [first, settings] if first == MODEL => modelled_authorization_server::run(settings).map(|()| true),
        arguments => run(arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether everything is as it must be.
fn run(arguments: &[String]) -> Result<bool, String> {
    let settings = Settings::parse(arguments)?;
    let quiet = Pass::run(&settings, false)?;
    let eventful = Pass::run(&settings, true)?;
    let text = report::text(&settings, &quiet, &eventful);
    println!("{text}");
    if let Some(page) = &settings.page {
        std::fs::write(page, text).map_err(|error| format!("writing {} failed: {error}", page.display()))?;
    }
    let faults: Vec<String> = [("quiet", &quiet), ("with events", &eventful)]
        .into_iter()
        .flat_map(|(name, pass)| report::faults(name, pass))
        .collect();
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    Ok(faults.is_empty())
}
