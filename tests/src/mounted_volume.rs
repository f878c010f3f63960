//! A folder whose files change like those of a mounted Kubernetes Secret: each file is a symbolic link through
//! `..data`, itself a link to a folder, and a change replaces that folder atomically.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The folder.
pub struct MountedVolume {
    folder: PathBuf,
    version: usize,
}

impl MountedVolume {
    /// Creates the folder with one file.
    pub fn new(folder: PathBuf, name: &str, content: &str) -> Self {
        fs::create_dir_all(&folder).expect("a folder");
        symlink(Path::new("..data").join(name), folder.join(name)).expect("a link");
        let mut volume = Self { folder, version: 0 };
        volume.write(name, content);
        volume
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Replaces the content of the folder by this one file.
    pub fn write(&mut self, name: &str, content: &str) {
        self.version += 1;
        let (before, now) = (format!("..{}", self.version - 1), format!("..{}", self.version));
        fs::create_dir(self.folder.join(&now)).expect("a folder");
        fs::write(self.folder.join(&now).join(name), content).expect("written");
        symlink(&now, self.folder.join("..data_tmp")).expect("a link");
        fs::rename(self.folder.join("..data_tmp"), self.folder.join("..data")).expect("moved");
        let _ = fs::remove_dir_all(self.folder.join(before));
    }
}
