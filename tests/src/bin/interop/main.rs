//! Walks through the system with real authorization servers: `cargo xtask interop`.
//!
//! * [`servers`]: how each server is started and administered.
//! * [`page`]: its settings, which are those of its page in `docs/providers`.
//! * [`site`]: names, ports and secrets of a run.
//! * [`variant`]: a way to combine its settings and ours, and the system with these.
//! * [`gateway`]: Envoy's part of that.
//! * [`entry_points`]: two APIs with an audience each, for token exchange.
//! * [`steps`]: what is done and checked, by the means of [`walk`] and, for the server's pages, of [`pages`].
//! * [`report`]: the table.

mod entry_points;
mod gateway;
mod page;
mod pages;

mod report;
mod servers;
mod site;
mod steps;
mod variant;
mod walk;

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use demo_system::{Component, System};

use crate::page::Page;
use crate::pages::Pages;
use crate::report::{Cell, Column};
use crate::servers::{Known, Server};
use crate::site::Site;
use crate::steps::Done;
use crate::variant::{Form, Settings, Variant};
use crate::walk::Walk;

/// How many lines of each log are shown after a failure.
const LOG_LINES: usize = 4;

/// Arguments: the folder for everything that the run writes, then the names of servers. The table is on standard output.
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    let names: Vec<String> = arguments.collect();
    let chosen = servers::ALL
        .iter()
        .filter(|known| names.is_empty() || names.iter().any(|name| name == known.name));
    let mut columns = Vec::new();
    for known in chosen {
        eprintln!("==> walking through the system with {}", known.name);
        match run(known, folder.join(known.name)) {
            Ok(column) => columns.push(column),
            Err(error) => {
                eprintln!("error: {}: {error}", known.name);
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{}", report::table(&columns));
    match columns.iter().all(Column::is_as_expected) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn run(known: &Known, folder: PathBuf) -> Result<Column, String> {
    let site = Site::new(folder)?;
    let mut server = (known.new)()?;
    let page = Page::of(known.name, &site);
    server.prepare(&site, &page)?;
    server.start(&site)?;
    let mut column = Column::new(server.as_ref());
    let variants = server.variants();
    let server = RefCell::new(server);
    for (index, variant) in variants.iter().enumerate() {
        eprintln!("  {}", variant.what);
        walk(&server, &site, &page, variant, index == 0, &mut column)?;
    }
    server.borrow_mut().stop();
    Ok(column)
}

fn walk(
    server: &RefCell<Box<dyn Server>>,
    site: &Site,
    page: &Page,
    variant: &Variant,
    is_first: bool,
    column: &mut Column,
) -> Result<(), String> {
    let settings = Settings::of(variant, page)?;
    let introspection = page.stage(variant.filter.unwrap_or("filter"))?;
    let system = variant::start(site, server.borrow().as_ref(), variant, &settings)?;
    if variant.form == Form::TokenExchange {
        entry_points::add(&system, &introspection[gateway::INTROSPECTION_ENDPOINT]);
    }
    let walk = Walk {
        server,
        site,
        variant,
        settings: &settings,
        introspection,
        pages: RefCell::new(Pages::start(&system)?),
        before_new_key: RefCell::default(),
        system: &system,
    };
    server.borrow().select(&walk)?;
    for (row, step) in steps::ALL.iter().enumerate() {
        if step.once && !is_first {
            continue;
        }
        let cell = match (step.run)(&walk) {
            Ok(Done::NotHere) => continue,
            Ok(Done::Passed) => Cell::Passed,
            Ok(Done::NotOffered(reason)) => Cell::NotOffered(reason),
            Err(error) => Cell::Failed(format!("{}: {error}", variant.what)),
        };
        eprintln!("    {}: {cell}", step.name);
        if matches!(cell, Cell::Failed(_)) {
            show_logs(&system);
        }
        column.add(row, cell);
    }
    Ok(())
}

/// The logs of the next variant's system take the place of these.
fn show_logs(system: &System) {
    for component in [Component::Bff, Component::Api, Component::Envoy] {
        let log = fs::read_to_string(system.log(component)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES)) {
            eprintln!("      {component}: {line}");
        }
    }
}
