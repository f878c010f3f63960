//! The files of the repository, for tests of their content.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of built or fetched files.
const SKIPPED: [&str; 3] = ["target", "node_modules", "dist"];

/// The path of a file or folder of the repository.
pub fn path(relative: &str) -> PathBuf {
    // Whoever runs the tests sets it. The folder at compile time is another one in a copy of a checkout with its `target`.
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().expect("the repository").join(relative)
}

/// The text of a file of the repository.
pub fn text(relative: &str) -> String {
    fs::read_to_string(path(relative))
        .unwrap_or_else(|error| panic!("reading {} failed: {error}", path(relative).display()))
}

/// All files that belong to the repository and have one of these extensions.
pub fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&path(""), extensions, &mut found);
    found
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                collect(&path, extensions, found);
            }
        } else if path
            .extension()
            .is_some_and(|end| extensions.iter().any(|wanted| end == *wanted))
        {
            found.push(path);
        }
    }
}
