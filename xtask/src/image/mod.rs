//! `cargo xtask image`: the filter as it is published, in `target/image`: the module, the images that Istio and
//! Envoy Gateway take, a bill of materials, and checksums. The same sources give the same bytes.

mod layout;
mod sbom;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use sha2::{Digest, Sha256};

use crate::{Result, command, tools, workspace};

const MODULE: &str = "bff_filter.wasm";
const SBOM: &str = "bff_filter.cdx.json";
const SUMS: &str = "SHA256SUMS";

/// The command line.
#[derive(Default)]
pub(crate) struct Flags {
    reproduce: bool,
}

impl Flags {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Flags> {
        match arguments {
            [] => Ok(Flags::default()),
            ["--reproduce"] => Ok(Flags { reproduce: true }),
            [other, ..] => Err(format!("`image` does not understand `{other}`; it has --reproduce")),
        }
    }
}

pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    let module = tools::wasm::build()?;
    if flags.reproduce {
        reproduce(&read(&module)?)?;
    }
    let folder = workspace::target().join("image");
    write(&folder, &read(&module)?, &sbom::of_the_filter()?)?;
    command::progress(&format!("the filter as it is published is in {}", folder.display()));
    Ok(ExitCode::SUCCESS)
}

/// Everything into an empty folder.
fn write(folder: &Path, module: &[u8], sbom: &str) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("{} cannot be emptied: {error}", folder.display()))?;
    }
    workspace::create_dir(folder)?;
    let images = layout::write(folder, module)?;
    let sums = [(MODULE, module), (SBOM, sbom.as_bytes())].map(|(name, bytes)| (sha256(bytes), name.to_owned()));
    write_file(&folder.join(MODULE), module)?;
    write_file(&folder.join(SBOM), sbom.as_bytes())?;
    let lines = sums.iter().fold(String::new(), |mut text, (sum, name)| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{sum}  {name}");
        text
    });
    write_file(&folder.join(SUMS), lines.as_bytes())?;
    for (name, digest) in images {
        println!("{digest}  {name}");
    }
    print!("{lines}");
    Ok(())
}

/// Builds the module a second time, from a copy of the sources in another folder, and compares.
fn reproduce(first: &[u8]) -> Result<()> {
    let copy = workspace::target().join("reproduce");
    let failed = |error: std::io::Error| format!("{}: {error}", copy.display());
    if copy.exists() {
        fs::remove_dir_all(&copy).map_err(failed)?;
    }
    // What git knows and what is new, not what was built.
    let files = command::output(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(workspace::root()),
    )
    .ok_or("git does not list the sources; --reproduce copies them from a git repository")?;
    for file in files.lines() {
        let (from, to) = (workspace::path(file), copy.join(file));
        // One that was removed and not committed yet.
        if !from.is_file() {
            continue;
        }
        workspace::create_dir(to.parent().unwrap_or(&copy))?;
        fs::copy(&from, &to).map_err(failed)?;
    }
    command::run(
        "building the filter a second time, in another folder",
        command::cargo()
            .args(["run", "--quiet", "--package", "xtask", "--", "wasm"])
            // Nothing of the first build is used.
            .env_remove("CARGO_TARGET_DIR")
            .current_dir(&copy),
        "The message above says why.",
    )?;
    let second = read(&copy.join("target/wasm").join(MODULE))?;
    fs::remove_dir_all(&copy).map_err(failed)?;
    match first == second {
        true => {
            command::progress(&format!("both builds are the same: {}", sha256(first)));
            Ok(())
        }
        false => Err(format!(
            "the module differs when it is built in another folder: {} and {}",
            sha256(first),
            sha256(&second)
        )),
    }
}

/// In hex.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn write_file(path: &PathBuf, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_the_same_bytes_twice_and_the_checksums_are_of_the_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        write(&path("one"), b"\0asm module", "{}").expect("written");
        write(&path("two"), b"\0asm module", "{}").expect("written");
        let list = |name: &str| {
            let mut files = Vec::new();
            let mut pending = vec![path(name)];
            while let Some(next) = pending.pop() {
                match next.is_dir() {
                    true => pending.extend(
                        fs::read_dir(next)
                            .expect("a folder")
                            .map(|entry| entry.expect("one").path()),
                    ),
                    false => files.push(next),
                }
            }
            files.sort();
            let root = path(name);
            let relative = |file: &PathBuf| file.strip_prefix(&root).expect("below").to_owned();
            let files: Vec<_> = files
                .iter()
                .map(|file| (relative(file), read(file).expect("read")))
                .collect();
            files
        };
        assert_eq!(list("one"), list("two"));
        let sums = fs::read_to_string(path("one").join(SUMS)).expect("sums");
        assert_eq!(sums.lines().count(), 2);
        for line in sums.lines() {
            let (sum, name) = line.split_once("  ").expect("a sum and a name");
            assert_eq!(sum, sha256(&read(&path("one").join(name)).expect("read")));
        }
        assert_eq!(
            sha256(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
