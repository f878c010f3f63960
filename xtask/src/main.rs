//! `cargo xtask`: the project's commands. Many missing tools are fetched (see [`tools`]).

mod bench;
mod binaries;
mod check;
mod client;
mod client_matrix;
mod command;
mod compiler;
mod compose;
mod control_planes;
mod deny;
mod digest;
mod fuzz;
mod image;
mod interop;
mod jobs;
mod native_module;
mod newcomer;
mod processors;
mod programs;
mod result;
mod sanitize;
mod scale;
mod selection;
mod spa;
mod stamp;
mod terminal;
mod test;
mod tools;
mod up;
mod usage;
mod walk;
mod walkthrough;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.split_first() {
        None | Some((&("help" | "--help" | "-h"), [])) => {
            println!("{}", usage::all());
            return ExitCode::SUCCESS;
        }
        Some((&"help", [command])) => help(command),
        Some((command, rest)) if rest.iter().any(|word| matches!(*word, "--help" | "-h")) => help(command),
        Some((&"up", rest)) => up::Flags::parse(rest).and_then(up::run),
        Some((&"compose", rest)) => compose::Flags::parse(rest).and_then(compose::run),
        Some((&"check", [])) => check::run(),
        Some((&"test", names)) => test::run(names),
        Some((&"wasm", [])) => tools::wasm::build().map(|path| {
            command::progress(&format!("built the proxy-wasm module: {}", path.display()));
            ExitCode::SUCCESS
        }),
        Some((&"module", rest)) => native_module::Flags::parse(rest).and_then(native_module::run),
        Some((&"image", rest)) => image::Flags::parse(rest).and_then(image::run),
        Some((&"fuzz", rest)) => fuzz::Flags::parse(rest).and_then(fuzz::run),
        Some((&"sanitize", names)) => sanitize::run(names),
        Some((&"bench", arguments)) => bench::run(arguments),
        Some((&"scale", sizes)) => scale::run(sizes),
        Some((&"deny", [])) => deny::run(),
        Some((&"client-matrix", frameworks)) => client_matrix::run(frameworks),
        Some((&"control-planes", names)) => control_planes::run(names),
        Some((&"interop", servers)) => interop::run(servers),
        Some((&"newcomer", browsers)) => newcomer::run(browsers),
        Some((&"walk", rest)) => walk::Flags::parse(rest).and_then(walk::run),
        Some((command @ (&"check" | &"wasm" | &"deny"), [argument, ..])) => Err(format!(
            "invalid argument `{argument}` of {command}: write `cargo xtask {command}` without arguments"
        )),
        Some((command, _)) => Err(unknown(command)),
    };
    result.unwrap_or_else(|message| {
        eprintln!("error: {message}");
        ExitCode::FAILURE
    })
}

fn help(command: &str) -> result::Result<ExitCode> {
    println!("{}", usage::of(command).ok_or_else(|| unknown(command))?);
    Ok(ExitCode::SUCCESS)
}

fn unknown(command: &str) -> String {
    format!("invalid command `{command}`: write one of these:\n\n{}", usage::all())
}
