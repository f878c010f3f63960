//! `cargo xtask image`: the published form of the filter, in `target/image`: the proxy-wasm module, the images that Istio and
//! Envoy Gateway accept, a bill of materials, and checksums. The same sources result in the same bytes.

mod digest;
mod layout;
mod sbom;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use demo_system::files;

use self::digest::sha256;
use crate::result::Result;
use crate::{command, tools, workspace};

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
            [other, ..] => Err(format!(
                "invalid argument `{other}` of image: write only --reproduce, or nothing"
            )),
        }
    }
}

pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    let module = tools::wasm::build()?;
    if flags.reproduce {
        reproduce(&files::read_bytes(&module)?)?;
    }
    let folder = workspace::target().join("image");
    write(&folder, &files::read_bytes(&module)?, &sbom::of_the_filter()?)?;
    command::progress(&format!(
        "written to {}: module, images, bill of materials and checksums",
        folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Writes everything into an empty folder.
fn write(folder: &Path, module: &[u8], sbom: &str) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("emptying {} failed: {error}", folder.display()))?;
    }
    files::create_dir(folder)?;
    let images = layout::write(folder, module)?;
    let sums = [(MODULE, module), (SBOM, sbom.as_bytes())].map(|(name, bytes)| (sha256(bytes), name.to_owned()));
    files::write(&folder.join(MODULE), module)?;
    files::write(&folder.join(SBOM), sbom)?;
    let lines = sums.iter().fold(String::new(), |mut text, (sum, name)| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{sum}  {name}");
        text
    });
    files::write(&folder.join(SUMS), &lines)?;
    for (name, digest) in images {
        println!("{digest}  {name}");
    }
    print!("{lines}");
    Ok(())
}

/// Builds the module a second time, from a copy of the sources in another folder, and compares.
fn reproduce(first: &[u8]) -> Result<()> {
    let copy = workspace::target().join("reproduce");
    let failed = |error: std::io::Error| format!("removing {} failed: {error}", copy.display());
    if copy.exists() {
        fs::remove_dir_all(&copy).map_err(failed)?;
    }
    // Tracked and new files, without build outputs.
    let sources = command::output(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(workspace::root()),
    )
    .ok_or("listing the sources failed: install git, and run --reproduce in a git repository")?;
    for file in sources.lines() {
        let (from, to) = (workspace::path(file), copy.join(file));
        // A file whose removal is not committed yet.
        if !from.is_file() {
            continue;
        }
        files::create_dir(to.parent().unwrap_or(&copy))?;
        let copied = fs::copy(&from, &to);
        copied.map_err(|error| format!("copying {} to {} failed: {error}", from.display(), to.display()))?;
    }
    command::run(
        "building the module a second time, in another folder",
        command::cargo()
            .args(["run", "--quiet", "--package", "xtask", "--", "wasm"])
            // No output of the first build is used.
            .env_remove("CARGO_TARGET_DIR")
            .current_dir(&copy),
        "see the messages of the second build above",
    )?;
    let second = files::read_bytes(&copy.join("target/wasm").join(MODULE))?;
    fs::remove_dir_all(&copy).map_err(failed)?;
    match first == second {
        true => {
            command::progress(&format!("compared both builds: identical, SHA-256 {}", sha256(first)));
            Ok(())
        }
        false => Err(format!(
            "the build is not reproducible: the SHA-256 of the module is {}, and {} if it is built in another folder: \
             search the modules for names of folders, which xtask/src/tools/reproducible.rs replaces",
            sha256(first),
            sha256(&second)
        )),
    }
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
            let mut found = Vec::new();
            let mut pending = vec![path(name)];
            while let Some(next) = pending.pop() {
                match next.is_dir() {
                    true => pending.extend(
                        fs::read_dir(next)
                            .expect("a folder")
                            .map(|entry| entry.expect("one").path()),
                    ),
                    false => found.push(next),
                }
            }
            found.sort();
            let root = path(name);
            let relative = |file: &Path| file.strip_prefix(&root).expect("below").to_owned();
            let contents: Vec<_> = found
                .iter()
                .map(|file| (relative(file), files::read_bytes(file).expect("read")))
                .collect();
            contents
        };
        assert_eq!(list("one"), list("two"));
        let sums = fs::read_to_string(path("one").join(SUMS)).expect("sums");
        assert_eq!(sums.lines().count(), 2);
        for line in sums.lines() {
            let (sum, name) = line.split_once("  ").expect("a sum and a name");
            assert_eq!(sum, sha256(&files::read_bytes(&path("one").join(name)).expect("read")));
        }
        assert_eq!(
            sha256(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
