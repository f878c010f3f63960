//! `cargo xtask`: the project's commands. Missing tools are fetched (see [`tools`]).

mod bench;
mod binaries;
mod check;
mod client;
mod command;
mod compose;
mod deny;
mod fuzz;
mod image;
mod jobs;
mod programs;
mod result;
mod spa;
mod stamp;
mod test;
mod tools;
mod up;
mod walk;
mod walkthrough;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  up [--check] [--no-envoy]   starts the demo system and keeps it running until Ctrl-C
                              --check: walks through it in a browser instead; the exit status is the result
                              --no-envoy: does not start Envoy, which you start by hand
  compose --check | --drill   starts the demo in containers and removes it afterwards; in between:
                              --check: walks through it in a browser
                              --drill: kills a replica of the service under load, and looks for lost sessions
  check                       formatting, clippy, and all tests that need no program except Rust's own: about two minutes
  test [FILTER…]              all tests (about 15 minutes), or the Rust and browser tests whose names contain a FILTER
  fuzz [TARGET…] [--seconds N] [--minimise]
                              fuzzes each target (120 s); --minimise: keeps in fuzz/corpus what adds coverage
  bench [--instructions] [FILTER…]
                              measures the filter and the service beside others (about 15 minutes) and writes bench/results;
                              with FILTERs: only the variants whose names contain one, and writes only to the terminal;
                              --instructions: instead of CPU time, counts instructions, which are the same on a busy
                              machine, and writes only to the terminal
  wasm                        builds the filter: target/wasm/bff_filter.wasm
  image [--reproduce]         writes the filter for publication to target/image: OCI images, bill of materials, checksums
                              --reproduce: builds the module in another folder too, and compares
  deny                        checks licences, sources, bans and advisories of the dependencies
  walk [DOCUMENT…] [--with WORD…] [--into FOLDER]
                              runs the commands of the documents in a clean clone of the current commit;
                              --with: also commands that need a WORD (cluster, docker, …); --into: keeps the clone

environment: BFF_DEMO_DOMAIN (example.localhost), BFF_DEMO_PORT (8443),
             BFF_DEMO_WEB_ORIGIN: the origin of your own page for the demo, such as http://localhost:5173,
             BFF_DEMO_OTLP: the address to which `up` sends spans, by OTLP over HTTP, such as 127.0.0.1:4318 (default: none),
             PREVIOUS_BFF_SERVICE: a bff-service of the last release, if `test` cannot build it from the history,
             ENVOY and CHROMIUM: the programs to use instead of those that are found";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.split_first() {
        None | Some((&("help" | "--help" | "-h"), _)) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some((&"up", rest)) => up::Flags::parse(rest).and_then(up::run),
        Some((&"compose", rest)) => compose::Flags::parse(rest).and_then(compose::run),
        Some((&"check", [])) => check::run(),
        Some((&"test", filters)) => test::run(filters),
        Some((&"wasm", [])) => tools::wasm::build().map(|path| {
            command::progress(&format!("built the filter: {}", path.display()));
            ExitCode::SUCCESS
        }),
        Some((&"image", rest)) => image::Flags::parse(rest).and_then(image::run),
        Some((&"fuzz", rest)) => fuzz::Flags::parse(rest).and_then(fuzz::run),
        Some((&"bench", filters)) => bench::run(filters),
        Some((&"deny", [])) => deny::run(),
        Some((&"walk", rest)) => walk::Flags::parse(rest).and_then(walk::run),
        Some((command @ (&"check" | &"wasm" | &"deny"), [argument, ..])) => Err(format!(
            "unexpected argument `{argument}`: {command} takes no arguments"
        )),
        Some((command, _)) => Err(format!("unknown command `{command}`: write one of these:\n\n{USAGE}")),
    };
    outcome.unwrap_or_else(|message| {
        eprintln!("error: {message}");
        ExitCode::FAILURE
    })
}
