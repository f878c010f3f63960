//! `cargo xtask image`: the published form of the filter, in `target/image`: the proxy-wasm module, the images that Istio and
//! Envoy Gateway accept, the native module as an image and as archives, bills of materials, and checksums. The same sources
//! result in the same bytes with the same compilers.

mod archive;
mod blobs;
mod layout;
mod native;
mod reproduce;
mod sbom;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use demo_system::files;

use self::native::Native;
use crate::digest::sha256;
use crate::result::Result;
use crate::tools::native::Architecture;
use crate::{command, tools, workspace};

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
    let module = files::read_bytes(&tools::wasm::build()?)?;
    let natives = build_natives()?;
    if flags.reproduce {
        reproduce::compare(&module, &natives)?;
    }
    let folder = workspace::target().join("image");
    let published = Published {
        module,
        sbom: sbom::of("bff-filter", tools::wasm::TARGET)?,
        natives,
        license: files::read_bytes(&workspace::path("LICENSE"))?,
    };
    write(&folder, &published)?;
    command::progress(&format!(
        "written to {}: modules, images, bills of materials and checksums",
        folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// What is written.
struct Published {
    /// The proxy-wasm module.
    module: Vec<u8>,
    /// Its bill of materials.
    sbom: String,
    /// The native module, for each architecture.
    natives: Vec<Native>,
    license: Vec<u8>,
}

/// Builds the native module for all architectures. Empty, with a warning, on a machine that cannot build it as it is published.
fn build_natives() -> Result<Vec<Native>> {
    if !tools::native::can_be_published() {
        command::warn("leaving out the native module: run this command on Linux with x86-64, Python 3 and pip");
        return Ok(Vec::new());
    }
    let all = Architecture::ALL.into_iter();
    all.map(|architecture| {
        Ok(Native {
            architecture,
            module: files::read_bytes(&tools::native::build_for(architecture)?)?,
            sbom: sbom::of("bff-module", architecture.target())?,
        })
    })
    .collect()
}

/// Writes everything into an empty folder.
fn write(folder: &Path, published: &Published) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("emptying {} failed: {error}", folder.display()))?;
    }
    files::create_dir(folder)?;
    let Published {
        module,
        sbom,
        natives,
        license,
    } = published;
    let images = layout::write(folder, module, natives, license)?;
    files::write(&folder.join(tools::wasm::FILE), module)?;
    files::write(&folder.join(SBOM), sbom)?;
    let mut sums = vec![
        (sha256(module), tools::wasm::FILE.to_owned()),
        (sha256(sbom.as_bytes()), SBOM.to_owned()),
    ];
    let written = native::write(folder, natives, license)?;
    sums.extend(written.into_iter().map(|(name, content)| (sha256(&content), name)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_the_same_bytes_twice_and_the_checksums_are_of_the_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let published = Published {
            module: b"\0asm module".to_vec(),
            sbom: "{}".to_owned(),
            natives: vec![Native {
                architecture: Architecture::Amd64,
                module: b"\x7fELF module".to_vec(),
                sbom: "{}".to_owned(),
            }],
            license: b"license".to_vec(),
        };
        write(&path("one"), &published).expect("written");
        write(&path("two"), &published).expect("written");
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
        assert_eq!(sums.lines().count(), 4);
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
