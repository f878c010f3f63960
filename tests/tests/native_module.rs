//! The native module as a file: it loads wherever Envoy runs. Each test compares it with the Envoy of the tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bff_tests::elf::Dynamic;
use bff_tests::repository;
use bff_tests::setup::{self, artifacts};

/// The functions of Envoy, which it exports to modules.
const CALLBACKS: &str = "envoy_dynamic_module_callback_";

fn module() -> Dynamic {
    Dynamic::read(&setup::native_module())
}

fn envoy() -> Dynamic {
    let artifacts = artifacts();
    let program = match artifacts.envoy.as_slice() {
        [program] => PathBuf::from(program),
        // func-e, which downloads Envoy.
        [program, ..] => {
            let output = Command::new(program).arg("which").output().expect("func-e starts");
            PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
        }
        [] => panic!("missing Envoy: set BFF_TEST_ENVOY"),
    };
    Dynamic::read(&program)
}

fn callbacks_of(module: &Dynamic) -> BTreeSet<String> {
    let names = module.needed.iter().map(|symbol| &symbol.name);
    names.filter(|name| name.starts_with(CALLBACKS)).cloned().collect()
}

#[test]
fn the_native_module_needs_no_newer_glibc_than_envoy_itself_and_the_page_says_which() {
    let (module, envoy) = (module(), envoy());
    let ((needed, symbol), (has, _)) = (module.newest_of_glibc(), envoy.newest_of_glibc());
    assert!(needed <= has, "{symbol:?} is newer than Envoy's {has:?}");
    let page = fs::read_to_string(repository::path("docs/deploy/native-module.md")).expect("the page");
    let said = format!("glibc {}.{}", needed[0], needed[1]);
    assert!(page.contains(&said), "docs/deploy/native-module.md does not say {said}");
}

#[test]
fn the_native_module_needs_no_library_that_envoy_has_not_loaded() {
    let (module, envoy) = (module(), envoy());
    let others: Vec<_> = module.libraries.difference(&envoy.libraries).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(module.libraries.contains("libc.so.6"), "{:?}", module.libraries);
}

#[test]
fn the_native_module_calls_only_functions_that_envoy_has() {
    let (used, envoy) = (callbacks_of(&module()), envoy());
    assert!(used.len() > 20, "{used:?}");
    let missing: Vec<_> = used.difference(&envoy.defined).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The file has the functions that the module calls, each of which was found in Envoy 1.39.3. Before you add another one, look
/// it up there: `nm --dynamic --defined-only envoy`. Envoy loads no module that names a function which it does not have.
#[test]
fn the_native_module_calls_only_functions_that_envoy_1_39_has() {
    let text = fs::read_to_string(repository::path("tests/native-module/envoy-1.39.3.txt")).expect("the list");
    let known: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(callbacks_of(&module()), known);
}

#[test]
fn the_native_module_exports_the_hooks_of_envoy_alone_and_is_never_unloaded() {
    let module = module();
    let others: Vec<_> = module
        .defined
        .iter()
        .filter(|name| !name.starts_with("envoy_dynamic_module_on_"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(module.defined.contains("envoy_dynamic_module_on_program_init"));
    // A thread of the module runs until the process ends.
    assert!(module.is_never_unloaded);
}
