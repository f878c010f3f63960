//! Debian's packages with all that they need, unpacked below `target/tools`. Nothing is installed, and no service starts.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use demo_system::files;

use crate::command;
use crate::result::Result;

/// Beginnings of the names of Perl's own packages. Every Debian has Perl, and an upgrade does not belong beside it.
const PERL: [&str; 4] = ["perl_", "perl-base_", "perl-modules-", "libperl5"];
/// Debian's keys, also of releases that are newer than this machine's.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const HINT: &str = "check that apt-get reaches its mirror, and that this is Debian 12 or 13";

/// Downloads packages of this machine's release into `archives`, with those of their dependencies that are not installed.
pub(super) fn download_all(packages: &[&str], archives: &Path) -> Result<()> {
    create_all(&[archives.join("partial")])?;
    let step = format!(
        "downloading {} and their dependencies with apt-get",
        packages.join(", ")
    );
    let mut download = apt_get(&[option("Dir::Cache::archives", archives)])?;
    download
        .args(["install", "-y", "--no-install-recommends", "--download-only"])
        .args(packages)
        // It lists every package.
        .stdout(std::process::Stdio::null());
    if command::run(&step, &mut download, HINT).is_err() {
        command::run(
            "updating the package lists of apt-get",
            apt_get(&[])?.arg("update"),
            HINT,
        )?;
        command::run(&step, &mut download, HINT)?;
    }
    Ok(())
}

/// Downloads packages of another release of Debian into `archives`, without what they need. The package lists are in a
/// folder of their own there, so this machine's do not change.
pub(super) fn download_from(release: &str, packages: &[&str], archives: &Path) -> Result<()> {
    let state = archives.join("apt");
    create_all(&[state.join("lists/partial"), state.join("cache/archives/partial")])?;
    let sources = state.join("sources.list");
    files::write(&sources, source_of(release)?)?;
    let options = [
        option("Dir::Etc::sourcelist", &sources),
        option("Dir::Etc::sourceparts", Path::new("/dev/null")),
        option("Dir::State::lists", &state.join("lists")),
        option("Dir::Cache", &state.join("cache")),
    ];
    let step = format!("updating the package lists of Debian's {release}");
    command::run(&step, apt_get(&options)?.arg("update"), HINT)?;
    command::run(
        &format!("downloading {} of {release} with apt-get", packages.join(", ")),
        apt_get(&options)?.arg("download").args(packages).current_dir(archives),
        HINT,
    )
}

/// Unpacks the packages in `archives` into `folder`, except those whose names begin with one of `without`, and Perl.
pub(super) fn unpack(archives: &Path, without: &[&str], folder: &Path) -> Result<()> {
    create_all(&[folder.to_owned()])?;
    for file in packages_in(archives)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if PERL.iter().chain(without).any(|start| name.starts_with(start)) {
            continue;
        }
        let status = command::run_for_status(Command::new("dpkg-deb").arg("-x").arg(&file).arg(folder))?;
        if !status.success() {
            return Err(format!(
                "unpacking {} failed: check that the disk has space left",
                file.display()
            ));
        }
    }
    Ok(())
}

/// The version of a package in `archives`.
pub(super) fn version(package: &str, archives: &Path) -> Result<String> {
    let start = format!("{package}_");
    let is_named = |file: &&PathBuf| {
        file.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(&start))
    };
    let files = packages_in(archives)?;
    let file = files.iter().find(is_named);
    let version =
        file.and_then(|file| command::read_output(Command::new("dpkg-deb").arg("-f").arg(file).arg("Version")));
    version.ok_or_else(|| {
        format!(
            "reading the version of {package} from its package in {} failed: {HINT}",
            archives.display()
        )
    })
}

fn packages_in(archives: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(archives).map_err(|error| format!("reading {} failed: {error}", archives.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "deb"))
        .collect();
    files.sort();
    Ok(files)
}

/// The line of `sources.list` for another release, at the mirror that this machine uses.
fn source_of(release: &str) -> Result<String> {
    let format = "$(LABEL)|$(COMPONENT)|$(REPO_URI)";
    let targets = command::read_output(Command::new("apt-get").args(["indextargets", "--format", format]));
    let targets = targets.unwrap_or_default();
    let mirror = targets.lines().find_map(|line| line.strip_prefix("Debian|main|"));
    let mirror = mirror
        .ok_or_else(|| format!("finding Debian's mirror failed: apt-get lists none with the component main: {HINT}"))?;
    Ok(format!("deb [signed-by={KEYS}] {mirror} {release} main\n"))
}

fn apt_get(options: &[OsString]) -> Result<Command> {
    let program = command::find("apt-get").ok_or(
        "missing apt-get, which fetches glewlwyd and lemonldap: run this on Debian 12 or 13, or name other servers",
    )?;
    let mut command = Command::new(program);
    // Neither an installation elsewhere nor the user is disturbed.
    command.env("DEBIAN_FRONTEND", "noninteractive").args([
        "-qq",
        "-oDebug::NoLocking=true",
        "-oAPT::Sandbox::User=root",
    ]);
    for one in options {
        command.arg("-o").arg(one);
    }
    Ok(command)
}

fn option(name: &str, value: &Path) -> OsString {
    format!("{name}={}", value.display()).into()
}

fn create_all(folders: &[PathBuf]) -> Result<()> {
    Ok(folders.iter().try_for_each(|folder| files::create_dir(folder))?)
}
