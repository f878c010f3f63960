//! The same module wherever it is built: the module contains no folder names of this machine. Panic messages name source
//! files, and cargo passes the sources of crates to the compiler by their full paths.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::result::Result;
use crate::{command, workspace};

/// For `cargo --config`: the replacements of folder names when the compiler builds for this target, and further flags. In
/// addition to `.cargo/config.toml`.
pub(super) fn configuration(target: &str, further: &[String]) -> Result<String> {
    let mut folders: Vec<(PathBuf, String)> = vec![(workspace::root().to_owned(), "/bff".to_owned())];
    folders.extend(crates(target)?.into_iter().map(|folder| (folder, "/crates".to_owned())));
    folders.extend(standard_library());
    Ok(rustflags(target, &folders, further))
}

/// The folders in which cargo keeps the sources of crates: below its home, one folder for each registry.
fn crates(target: &str) -> Result<BTreeSet<PathBuf>> {
    let mut cargo = command::cargo();
    cargo
        .args(["metadata", "--format-version", "1", "--filter-platform", target])
        .current_dir(workspace::root());
    let text = command::read_output(&mut cargo)
        .ok_or_else(|| format!("`{}` failed: run it to see why", command::shown(&cargo)))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| {
        format!("parsing the output of `cargo metadata` failed: {error}: check the version of cargo")
    })?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let foreign = packages.filter(|package| !package["source"].is_null());
    let manifests = foreign.filter_map(|package| package["manifest_path"].as_str());
    // <folder>/<crate>/Cargo.toml
    let folders = manifests.filter_map(|path| Some(Path::new(path).parent()?.parent()?.to_owned()));
    Ok(folders.collect())
}

/// The sources of the standard library, if they are installed, under the name that the released one was built with.
fn standard_library() -> Option<(PathBuf, String)> {
    let rustc = || {
        let mut rustc = Command::new("rustc");
        rustc.current_dir(workspace::root());
        rustc
    };
    let sysroot = command::read_output(rustc().args(["--print", "sysroot"]))?;
    let version = command::read_output(rustc().arg("-vV"))?;
    let hash = version.lines().find_map(|line| line.strip_prefix("commit-hash: "))?;
    let sources = Path::new(&sysroot).join("lib/rustlib/src/rust");
    Some((sources, format!("/rustc/{hash}")))
}

fn rustflags(target: &str, folders: &[(PathBuf, String)], further: &[String]) -> String {
    let flags = folders
        .iter()
        .map(|(folder, name)| Value::from(format!("--remap-path-prefix={}={name}", folder.display())));
    let flags = flags.chain(further.iter().map(|flag| Value::from(flag.as_str())));
    // A JSON string is a TOML string.
    format!("target.{target}.rustflags={}", Value::from_iter(flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "wasm32-unknown-unknown";

    #[test]
    fn folders_are_written_as_toml_whatever_is_in_their_names() {
        let folders = [(PathBuf::from("/home/a \"b\"/crates"), "/crates".to_owned())];
        assert_eq!(
            rustflags(TARGET, &folders, &["-Clinker=l".to_owned()]),
            r#"target.wasm32-unknown-unknown.rustflags=["--remap-path-prefix=/home/a \"b\"/crates=/crates","-Clinker=l"]"#
        );
    }

    #[test]
    fn the_folder_of_crates_is_found_where_cargo_keeps_them() {
        let folders = crates(TARGET).expect("folders");
        assert!(!folders.is_empty());
        assert!(
            folders
                .iter()
                .all(|folder| folder.is_dir() && !folder.starts_with(workspace::root()))
        );
    }
}
