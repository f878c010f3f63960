//! Keycloak's distribution, from Maven Central.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use demo_system::files;

use crate::result::Result;
use crate::stamp::Stamp;
use crate::tools::apt;
use crate::tools::node::Node;
use crate::{command, workspace};

const VERSION: &str = "26.7.3";
/// The checksum of the archive.
const SHA256: &str = "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47";

/// Fetches Keycloak. The value is the folder of the distribution, built for the database in a file.
pub(super) fn fetch(_: &Node) -> Result<(&'static str, OsString)> {
    let home = workspace::tools().join(format!("keycloak-{VERSION}"));
    let stamp = Stamp::new(home.join("stamp"), home.display().to_string());
    if !stamp.is_current() {
        unpack(&home)?;
        command::run(
            "building Keycloak for its database (takes half a minute)",
            Command::new(home.join("bin/kc.sh")).args(["build", "--db=dev-file"]),
            "see the message above, and install Java 17 or 21 if it is missing, for example with \
             `apt-get install openjdk-17-jre-headless`",
        )?;
        stamp.set()?;
    }
    Ok(("INTEROP_KEYCLOAK", home.into()))
}

fn unpack(home: &Path) -> Result<()> {
    if home.exists() {
        fs::remove_dir_all(home).map_err(|error| format!("removing {} failed: {error}", home.display()))?;
    }
    let archive = download()?;
    let tools = workspace::tools();
    files::create_dir(&tools)?;
    // The archive has one folder, keycloak-VERSION.
    command::run(
        "unpacking Keycloak",
        Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&tools),
        "check that the disk has space left",
    )
}

fn download() -> Result<PathBuf> {
    let folder = workspace::tools().join("keycloak-download");
    files::create_dir(&folder)?;
    let name = format!("keycloak-quarkus-dist-{VERSION}.tar.gz");
    let maven = command::find("mvn")
        .or_else(|| apt::install_and_find("maven", || command::find("mvn")))
        .ok_or("missing Maven, which fetches Keycloak: install it, for example with `apt-get install maven`")?;
    let plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";
    command::run(
        "fetching Keycloak from Maven Central into target/tools",
        Command::new(maven)
            .args(["--quiet", "--batch-mode", &format!("{plugin}:copy")])
            .arg(format!(
                "-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"
            ))
            .arg(format!("-DoutputDirectory={}", folder.display())),
        "check that Maven reaches Maven Central",
    )?;
    let archive = folder.join(name);
    let sum = command::read_output(Command::new("sha256sum").arg(&archive)).ok_or_else(|| {
        format!(
            "computing the checksum of {} failed: check that `sha256sum` is installed and can read it",
            archive.display()
        )
    })?;
    match sum.starts_with(SHA256) {
        true => Ok(archive),
        false => Err(format!(
            "the SHA-256 checksum of {} is not {SHA256}: remove the file and try again",
            archive.display()
        )),
    }
}
