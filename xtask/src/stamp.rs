//! Steps that are skipped if nothing that they depend on has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use demo_system::files;

use crate::result::Result;

/// A file that records the content for which a step was last done.
pub(crate) struct Stamp {
    file: PathBuf,
    content: String,
}

impl Stamp {
    /// `content` is what the step depends on.
    pub(crate) fn new(file: PathBuf, content: String) -> Stamp {
        Stamp { file, content }
    }

    /// Whether the step was done for the same content.
    pub(crate) fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|content| content == self.content)
    }

    /// Records that the step has been done.
    pub(crate) fn set(&self) -> Result<()> {
        Ok(files::write(&self.file, &self.content)?)
    }
}

/// A line for each file below `paths`: its name, size and modification time. Folders whose names are in `without` are
/// skipped.
pub(crate) fn listing(paths: &[PathBuf], without: &[&str]) -> Result<String> {
    let mut lines = Vec::new();
    let mut pending = paths.to_vec();
    while let Some(path) = pending.pop() {
        let failed = |error| format!("reading {} failed: {error}", path.display());
        let metadata = path.metadata().map_err(failed)?;
        if metadata.is_dir() {
            for entry in fs::read_dir(&path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if !without
                    .iter()
                    .any(|name| entry.file_name() == Path::new(name).as_os_str())
                {
                    pending.push(entry.path());
                }
            }
        } else {
            let changed = metadata
                .modified()
                .ok()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let changed = changed.unwrap_or_default().as_nanos();
            lines.push(format!("{} {} {changed}\n", path.display(), metadata.len()));
        }
    }
    lines.sort();
    Ok(lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_changes_with_the_files_and_leaves_folders_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("node_modules")).expect("made");
        fs::write(path("a.ts"), "1").expect("written");
        let list = || listing(&[folder.path().to_owned()], &["node_modules"]).expect("listed");
        let before = list();
        fs::write(path("node_modules/b.js"), "1").expect("written");
        assert_eq!(list(), before);
        fs::write(path("a.ts"), "22").expect("written");
        assert_ne!(list(), before);
        fs::remove_file(path("a.ts")).expect("removed");
        assert_eq!(list(), "");
    }

    #[test]
    fn a_stamp_is_current_for_the_content_that_it_was_set_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let stamp = |content: &str| Stamp::new(folder.path().join("stamp"), content.to_owned());
        assert!(!stamp("1").is_current());
        stamp("1").set().expect("written");
        assert!(stamp("1").is_current() && !stamp("2").is_current());
    }
}
