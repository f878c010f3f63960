//! The module as a file: what is in it, apart from what it does.

use std::path::PathBuf;

use bff_tests::repository;
use demo_system::Artifacts;

/// Two machines build the same bytes only if none writes its own folders into them. That whole builds are the same shows
/// `cargo xtask image --reproduce`.
#[test]
fn the_module_names_no_folder_of_the_machine_that_built_it() {
    let artifacts = Artifacts::from_env().unwrap_or_else(|error| panic!("{error}"));
    let module = std::fs::read(&artifacts.filter).expect("the module");
    let homes = ["CARGO_HOME", "HOME"].into_iter().filter_map(std::env::var_os);
    for folder in homes.map(PathBuf::from).chain([repository::path("")]) {
        let path = format!("{}/", folder.display());
        assert!(path.len() > 4, "{path} is no folder of anybody");
        let found = module.windows(path.len()).any(|window| window == path.as_bytes());
        assert!(!found, "{path}");
    }
    // It is the names of sources that are looked at, and not their absence.
    assert!(module.windows(8).any(|window| window == b"/crates/"));
}
