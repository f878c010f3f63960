//! `cargo xtask sanitize`: the tests of the core, the shell and the native module under sanitizers, and those of the native
//! module under Miri, with a nightly toolchain. The native module runs in its simulated Envoy, so that its shell is in it too.

use std::process::{Command, ExitCode};
use std::time::Instant;

use demo_system::files;

use crate::result::Result;
use crate::{command, compiler, workspace};

const TOOLCHAIN: &str = "nightly";
/// Where tests leak on purpose: the heads that these make live as long as the program.
const LEAKS: &str = "leak:core/tests/gateway/support.rs\nleak:core/tests/gateway/cookie_stage.rs\n";
const PACKAGES: [&str; 3] = ["bff-core", "bff-shell", "bff-module"];

/// One way to run the tests.
struct Tool {
    name: &'static str,
    what: &'static str,
    /// The components of the toolchain that it needs.
    needs: &'static [&'static str],
    /// What it does not run, and why.
    leaves_out: &'static str,
    command: fn(host: &str) -> Command,
}

const TOOLS: [Tool; 3] = [
    Tool {
        name: "address",
        what: "AddressSanitizer and LeakSanitizer",
        needs: &[],
        leaves_out: "accesses inside the standard library, which is not built with it; leaks from the heads of requests that \
                     tests of the gateway make, which live as long as the program",
        command: |host| {
            let mut tests = cargo(&["test"]);
            tests
                .args(["--target", host])
                .env("RUSTFLAGS", "-Zsanitizer=address -Cforce-frame-pointers=yes");
            tests
        },
    },
    Tool {
        name: "thread",
        what: "ThreadSanitizer",
        // If the standard library was built without it, ThreadSanitizer reports false races in that library.
        needs: &["rust-src"],
        leaves_out: "the examples in doc comments, whose programs would not be built with it",
        command: |host| {
            let mut tests = cargo(&["test", "--lib", "--tests"]);
            tests
                .args(["-Zbuild-std", "--target", host])
                .env("RUSTFLAGS", "-Zsanitizer=thread");
            tests
        },
    },
    Tool {
        name: "miri",
        what: "Miri",
        needs: &["miri", "rust-src"],
        leaves_out: "the tests of core and shell, which take hours and have no unsafe code; the tests of leaders and of a \
                     thousand routes, which take many minutes; leaks, since the module's thread never ends: LeakSanitizer finds them; ticks \
                     of that thread, which are slower than their period",
        command: |_| {
            let mut tests = cargo(&["miri", "test"]);
            // The tests read the real clock.
            tests.env("MIRIFLAGS", "-Zmiri-disable-isolation -Zmiri-ignore-leaks");
            tests
        },
    },
];

/// Runs the tests with these tools, or with all of them if there is no name.
pub(crate) fn run(names: &[&str]) -> Result<ExitCode> {
    if let Some(unknown) = names.iter().find(|name| TOOLS.iter().all(|tool| tool.name != **name)) {
        return Err(format!(
            "invalid tool `{unknown}`: write one of {}",
            TOOLS.map(|tool| tool.name).join(", ")
        ));
    }
    let version = command::read_output(Command::new("rustup").args(["run", TOOLCHAIN, "rustc", "--version"])).ok_or(
        "missing nightly toolchain, which sanitizers and Miri need: install it with `rustup toolchain install nightly \
         --profile minimal`",
    )?;
    command::progress(&format!("found the toolchain {TOOLCHAIN}: {version}"));
    let host = compiler::host()?;
    let folder = workspace::target().join("sanitize");
    files::create_dir(&folder)?;
    let leaks = folder.join("leaks.txt");
    std::fs::write(&leaks, LEAKS).map_err(|error| format!("writing {} failed: {error}", leaks.display()))?;
    let (mut ran, mut left_out) = (Vec::new(), Vec::new());
    for tool in TOOLS
        .iter()
        .filter(|tool| names.is_empty() || names.contains(&tool.name))
    {
        if let Some(missing) = tool.needs.iter().find(|component| !has_component(component)) {
            left_out.push(format!(
                "{}: missing component {missing}: run `rustup component add {missing} --toolchain {TOOLCHAIN}`",
                tool.what
            ));
            continue;
        }
        let begun = Instant::now();
        let mut tests = (tool.command)(&host);
        for package in PACKAGES
            .iter()
            .filter(|package| tool.name != "miri" || **package == "bff-module")
        {
            tests.args(["--package", package]);
        }
        tests
            .arg("--target-dir")
            .arg(folder.join(tool.name))
            .env(
                "LSAN_OPTIONS",
                format!("print_suppressions=0:suppressions={}", leaks.display()),
            )
            // Miri needs minutes for the backtraces of the panics that tests expect.
            .env("RUST_BACKTRACE", "0")
            .current_dir(workspace::root());
        command::run(
            &format!("running the tests under {}", tool.what),
            &mut tests,
            "see the first report above: it names the access, and where its memory comes from",
        )?;
        let seconds = begun.elapsed().as_secs_f64();
        ran.push(format!("{} ({seconds:.0} s with the build)", tool.what));
        left_out.push(format!("under {}: {}", tool.what, tool.leaves_out));
    }
    for tool in ran {
        command::progress(&format!("found nothing under {tool}"));
    }
    for what in left_out {
        command::progress(&format!("left out: {what}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Cargo of the nightly toolchain. This program runs in another one, whose cargo `CARGO` names.
fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("rustup");
    cargo
        .args(["run", TOOLCHAIN, "cargo"])
        .args(arguments)
        .env_remove("CARGO");
    cargo
}

/// Whether the toolchain has a component. If it is missing, adds it.
fn has_component(component: &str) -> bool {
    let rustup = |arguments: &[&str]| {
        let mut rustup = Command::new("rustup");
        rustup.arg("component").args(arguments).args(["--toolchain", TOOLCHAIN]);
        rustup
    };
    let installed = command::read_output(&mut rustup(&["list", "--installed"])).unwrap_or_default();
    // Some have the target at the end.
    installed
        .lines()
        .any(|line| line == component || line.starts_with(&format!("{component}-")))
        || command::run(
            &format!("adding the component {component} to the toolchain {TOOLCHAIN}"),
            &mut rustup(&["add", component]),
            "check that rustup reaches its server",
        )
        .is_ok()
}
