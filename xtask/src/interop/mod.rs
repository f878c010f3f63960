//! `cargo xtask interop`: walks through the system with real authorization servers (`tests/src/bin/interop`).
//!
//! Each server except the demo's has a file here, which fetches it into `target/tools`: from a package registry at a pinned
//! version, or from Debian's packages.

mod better_auth;
mod canaille;
mod debian;
mod django_oauth_toolkit;
mod glewlwyd;
mod hydra;
mod keycloak;
mod lemonldap;

use std::ffi::OsString;
use std::process::{Command, ExitCode, Stdio};

use demo_system::files;

use crate::result::Result;
use crate::{command, programs, tools, workspace};

/// The page with the results.
const RESULTS: &str = "docs/providers/tested.md";
/// Stands before the table in that page.
const MARK: &str = "<!-- The rest is written by `cargo xtask interop`. -->\n";

/// A server, and what fetches it: the variable for the walk, and its value.
struct Server {
    name: &'static str,
    fetch: fn(&tools::node::Node) -> Result<(&'static str, OsString)>,
}

/// In the order of the table.
const SERVERS: [Server; 8] = [
    Server {
        name: "keycloak",
        fetch: keycloak::fetch,
    },
    Server {
        name: "hydra",
        fetch: hydra::fetch,
    },
    Server {
        name: "better-auth",
        fetch: better_auth::fetch,
    },
    // The demo's, which is always there.
    Server {
        name: "oidc-provider",
        fetch: |_| Ok(("INTEROP_OIDC_PROVIDER", "the demo's".into())),
    },
    Server {
        name: "django-oauth-toolkit",
        fetch: django_oauth_toolkit::fetch,
    },
    Server {
        name: "glewlwyd",
        fetch: glewlwyd::fetch,
    },
    Server {
        name: "canaille",
        fetch: canaille::fetch,
    },
    Server {
        name: "lemonldap",
        fetch: lemonldap::fetch,
    },
];

/// Walks through the system with all servers and writes the page. With names: only with these servers, and does not write the
/// page.
pub(crate) fn run(names: &[&str]) -> Result<ExitCode> {
    if let Some(unknown) = names
        .iter()
        .find(|name| SERVERS.iter().all(|server| server.name != **name))
    {
        let known: Vec<&str> = SERVERS.iter().map(|server| server.name).collect();
        return Err(format!("invalid server `{unknown}`: write one of {}", known.join(", ")));
    }
    let (artifacts, node) = programs::build()?;
    node.install(&workspace::path("tests/browser"))?;
    let mut walk = Command::new(programs::program("interop"));
    walk.envs(artifacts.to_env())
        .env("NATIVE_MODULE", tools::native::build()?)
        .env("CHROMIUM", tools::chromium::find(&node)?)
        .arg(workspace::target().join("interop"));
    for server in SERVERS
        .iter()
        .filter(|server| names.is_empty() || names.contains(&server.name))
    {
        let (variable, value) = (server.fetch)(&node)?;
        walk.arg(server.name).env(variable, value);
    }
    programs::build_packages("building the walk", &[], &["--workspace", "--bin", "interop"])?;
    command::progress("walking through the system with each server");
    let output = walk
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| command::not_started(&walk, &error))?;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{table}");
    if names.is_empty() {
        write(&table)?;
    }
    match output.status.success() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(
            "walking through the system failed: a server did not start, or the result of a step is not the one that \
             tests/src/bin/interop/servers explains: see the messages above"
                .to_owned(),
        ),
    }
}

/// Replaces the table in the page.
fn write(table: &str) -> Result<()> {
    let path = workspace::path(RESULTS);
    let page = files::read(&path)?;
    let (before, _) = page.split_once(MARK).ok_or_else(|| {
        format!(
            "missing line `{}` in {RESULTS}: write it before the table",
            MARK.trim_end()
        )
    })?;
    let date = command::read_output(Command::new("date").args(["-u", "+%Y-%m-%d"])).unwrap_or_default();
    Ok(files::write(
        &path,
        format!("{before}{MARK}\nRun on {date}.\n\n{table}"),
    )?)
}
