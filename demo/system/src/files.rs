//! Files and folders, with errors that name them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::error::Error;

/// Creates a folder and its parents.
///
/// # Errors
/// Names the folder.
pub fn create_dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path)
        .map_err(|error| Error::new(format!("creating the folder {} failed: {error}", path.display())))
}

/// Reads a text file.
///
/// # Errors
/// Names the file.
pub fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

/// Reads a file as bytes.
///
/// # Errors
/// Names the file.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::new(format!("reading {} failed: {error}", path.display()))
}

/// The content; `None` if the file does not exist.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Writes a file that everybody may read, in place of the one that exists.
///
/// # Errors
/// Names the file.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Error> {
    replace(path, content.as_ref(), 0o644)
}

/// Writes a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), Error> {
    replace(path, text.as_bytes(), 0o600)
}

/// Locks a directory for one system. The lock is released when the file is dropped or this process exits.
pub(crate) fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join("lock");
    let failed = |error: &dyn std::fmt::Display| Error::new(format!("locking {} failed: {error}", path.display()));
    let file = File::create(&path).map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(format!(
            "another system is running or starting with the files of {}: stop it, or set BFF_DEMO_DIRECTORY to another \
             folder",
            directory.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// Writes a new file and renames it: it has its mode from the beginning, and no reader sees a part of it.
fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let error = |error| Error::new(format!("writing {} failed: {error}", path.display()));
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = Path::new(&new);
    match fs::remove_file(new) {
        Err(failure) if failure.kind() != ErrorKind::NotFound => return Err(error(failure)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(new).map_err(error)?;
    file.write_all(content).map_err(error)?;
    fs::rename(new, path).map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_for_one_system_at_a_time() {
        let directory = tempfile::tempdir().expect("a folder");
        let first = lock(directory.path()).expect("locked");
        let error = lock(directory.path()).expect_err("taken");
        assert!(error.to_string().contains("another system is running"), "{error}");
        drop(first);
        assert!(lock(directory.path()).is_ok());
    }
}
