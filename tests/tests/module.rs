//! The module as a file: its content, not its behavior.

use std::path::PathBuf;

use bff_tests::repository;
use demo_system::Artifacts;

/// Two machines build the same bytes only if neither writes its own folders into them. `cargo xtask image --reproduce` compares
/// whole builds.
#[test]
fn the_module_names_no_folder_of_the_machine_that_built_it() {
    let artifacts = Artifacts::from_env().unwrap_or_else(|error| panic!("{error}"));
    let module = std::fs::read(&artifacts.filter).expect("the module");
    let homes = ["CARGO_HOME", "HOME"].into_iter().filter_map(std::env::var_os);
    for folder in homes.map(PathBuf::from).chain([repository::path("")]) {
        let path = format!("{}/", folder.display());
        assert!(path.len() > 4, "{path} is not a home folder");
        let found = module.windows(path.len()).any(|window| window == path.as_bytes());
        assert!(!found, "{path}");
    }
    // The names of sources are in the module: it was not searched in vain.
    assert!(module.windows(8).any(|window| window == b"/crates/"));
}
