//! Glewlwyd, from Debian's packages.

use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use demo_system::files;

use super::debian;
use crate::result::Result;
use crate::stamp::Stamp;
use crate::tools::apt;
use crate::tools::node::Node;
use crate::{command, workspace};

const PACKAGES: [&str; 3] = ["glewlwyd", "glewlwyd-common", "dbconfig-no-thanks"];
/// Below the folder of the packages.
const WEB_APPLICATION: &str = "usr/share/glewlwyd/webapp";
const DOCUMENTS: &str = "usr/share/doc/glewlwyd";

/// Fetches Glewlwyd. The value is the folder with the packages in `root`, the web application, the sample of the configuration,
/// and a new database.
pub(super) fn fetch(_: &Node) -> Result<(&'static str, OsString)> {
    let folder = workspace::tools().join("glewlwyd");
    let stamp = Stamp::new(folder.join("stamp"), PACKAGES.join("\n"));
    if !stamp.is_current() {
        prepare(&folder)?;
        stamp.set()?;
    }
    Ok(("INTEROP_GLEWLWYD", folder.into()))
}

fn prepare(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("removing {} failed: {error}", folder.display()))?;
    }
    let (archives, root) = (folder.join("archives"), folder.join("root"));
    debian::download_all(&PACKAGES, &archives)?;
    debian::unpack(&archives, &[], &root)?;
    files::write(&folder.join("version"), debian::version("glewlwyd", &archives)?)?;
    copy_web_application(&root, &root.join(WEB_APPLICATION), &folder.join("webapp"))?;
    let documents = root.join(DOCUMENTS);
    let sample = unzip(&documents.join("glewlwyd.conf.sample.gz"))?;
    files::write(&folder.join("glewlwyd.conf"), sample)?;
    let sql = folder.join("init.sql");
    files::write(&sql, unzip(&documents.join("database/init.sqlite3.sql.gz"))?)?;
    create_database(&sql, &folder.join("glewlwyd.db"))
}

/// Copies a folder, with files in place of symbolic links: Glewlwyd does not follow these out of the folder, and they lead to
/// where packages are installed.
fn copy_web_application(root: &Path, from: &Path, to: &Path) -> Result<()> {
    files::create_dir(to)?;
    let failed = |error: std::io::Error| format!("reading {} failed: {error}", from.display());
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(failed)?.is_dir() {
            copy_web_application(root, &source, &target)?;
        } else if let Some(file) = resolve(root, source) {
            let copied = fs::copy(&file, &target);
            copied.map_err(|error| format!("copying {} to {} failed: {error}", file.display(), target.display()))?;
        }
    }
    Ok(())
}

/// The file that a path leads to, in one of the unpacked packages or one that is installed.
fn resolve(root: &Path, mut path: PathBuf) -> Option<PathBuf> {
    while let Ok(target) = fs::read_link(&path) {
        let target = without_dots(&path.parent()?.join(target));
        let installed = match target.strip_prefix(root) {
            Ok(inner) => Path::new("/").join(inner),
            Err(_) => target,
        };
        let unpacked = root.join(installed.strip_prefix("/").ok()?);
        path = match unpacked.symlink_metadata() {
            Ok(_) => unpacked,
            Err(_) => installed,
        };
    }
    // The package's link to its configuration leads to a folder with that file.
    if path.is_dir() {
        path = path.join("config.json");
    }
    path.is_file().then_some(path)
}

fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            component => plain.push(component),
        }
    }
    plain
}

fn unzip(path: &Path) -> Result<String> {
    command::read_output(Command::new("gzip").arg("-dc").arg(path))
        .ok_or_else(|| format!("unpacking {} failed: gzip is missing, or the file is damaged: install gzip, or remove the file and try again", path.display()))
}

fn create_database(sql: &Path, database: &Path) -> Result<()> {
    let find = || command::find("sqlite3");
    let program = find()
        .or_else(|| apt::install_and_find("sqlite3", find))
        .ok_or("missing sqlite3 for Glewlwyd's database: install it, for example with `apt-get install sqlite3`")?;
    let script = fs::File::open(sql).map_err(|error| format!("reading {} failed: {error}", sql.display()))?;
    command::run(
        "creating the database of Glewlwyd",
        Command::new(program).arg(database).stdin(Stdio::from(script)),
        "check that the disk has space left",
    )
}
