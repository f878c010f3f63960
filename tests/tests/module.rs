//! The modules as files: their content, not their behavior.

use std::path::PathBuf;

use bff_tests::repository;
use bff_tests::setup::{artifacts, native_module};

/// Two machines build the same bytes only if neither writes its own folders into them. `cargo xtask image --reproduce` compares
/// whole builds.
#[test]
fn the_modules_name_no_folder_of_the_machine_that_built_them() {
    for file in [artifacts().filter, native_module()] {
        let module = std::fs::read(&file).expect("the module");
        let homes = ["CARGO_HOME", "HOME"].into_iter().filter_map(std::env::var_os);
        for folder in homes.map(PathBuf::from).chain([repository::path("")]) {
            let path = format!("{}/", folder.display());
            assert!(path.len() > 4, "{path} is not a home folder");
            let found = module.windows(path.len()).any(|window| window == path.as_bytes());
            assert!(!found, "{}: {path}", file.display());
        }
        // The names of sources are in the module: it was not searched in vain.
        assert!(module.windows(8).any(|window| window == b"/crates/"));
    }
}
