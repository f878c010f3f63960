//! Files and folders, with errors that name them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::error::Error;

/// Makes a folder, and those that it is in.
///
/// # Errors
/// Names the folder.
pub fn create_dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path)
        .map_err(|error| Error::new(format!("the folder {} cannot be made: {error}", path.display())))
}

/// The text in a file.
///
/// # Errors
/// Names the file.
pub fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

/// The bytes in a file.
///
/// # Errors
/// Names the file.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::new(format!("{} cannot be read: {error}", path.display()))
}

/// The content, or `None` where there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Writes a file that everybody may read, in the place of the one that is there.
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

/// Keeps a directory for one system. The lock ends with the file, or with this process.
pub(crate) fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join("lock");
    let failed = |error: &dyn std::fmt::Display| Error::new(format!("{} cannot be locked: {error}", path.display()));
    let file = File::create(&path).map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(format!(
            "another system is running, or just starting, with the files of {}; stop it and try again",
            directory.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// By way of a new file: it has its mode from the beginning, and nobody sees half of it.
fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let error = |error| Error::new(format!("{} cannot be written: {error}", path.display()));
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
