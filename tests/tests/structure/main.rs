//! The layers of `CONTRIBUTING.md` hold in the code: imports run downwards, without circles.

mod module_graph;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bff_tests::repository;

use self::module_graph::{ModuleGraph, ModulePath};

/// The crates, each by its root file.
const ROOTS: [&str; 15] = [
    "core/src/lib.rs",
    "shell/src/lib.rs",
    "filter/src/lib.rs",
    "module/src/lib.rs",
    "bff-service/src/lib.rs",
    "bff-service/src/main.rs",
    "demo/api/src/main.rs",
    "demo/system/src/lib.rs",
    "demo/web-host/src/main.rs",
    "tests/src/lib.rs",
    "bench/src/main.rs",
    "bench/noop-filter/src/lib.rs",
    "bench/noop-module/src/lib.rs",
    "xtask/src/main.rs",
    "fuzz/src/lib.rs",
];

/// The forbidden imports: a crate's root, the importing module, the modules below which it may not reach, and why.
const NEVER: [(&str, &str, &[&str], &str); 12] = [
    (
        "core/src/lib.rs",
        "encoding",
        &["crypto", "cookie", "request", "session", "gateway", "jwt"],
        "encodings know nothing of what is encoded",
    ),
    (
        "core/src/lib.rs",
        "crypto",
        &["cookie", "request", "session", "gateway", "jwt"],
        "ciphers and keys know nothing of what is sealed",
    ),
    (
        "core/src/lib.rs",
        "cookie",
        &["request", "session", "gateway", "jwt"],
        "a cookie knows nothing of the request that it comes in",
    ),
    (
        "core/src/lib.rs",
        "request",
        &["session", "gateway", "jwt"],
        "what a request says is read before anybody asks whose it is",
    ),
    (
        "core/src/lib.rs",
        "session",
        &["gateway", "jwt"],
        "the rules of sessions are those of the service too, which has no gateway",
    ),
    (
        "core/src/lib.rs",
        "jwt",
        &["cookie", "request", "session", "gateway"],
        "the form of a JWT is read without knowing what it is for",
    ),
    (
        "bff-service/src/lib.rs",
        "config",
        &["oauth", "session", "api", "authorize", "application", "server", "cli"],
        "the configuration is read before anything is made of it",
    ),
    (
        "bff-service/src/lib.rs",
        "jose",
        &["*"],
        "signatures and keys are checked without knowing what is signed",
    ),
    (
        "bff-service/src/lib.rs",
        "http_client",
        &["config", "oauth", "telemetry", "session", "api"],
        "the HTTP client serves any endpoint: limits, TLS and an observer are handed in",
    ),
    (
        "bff-service/src/lib.rs",
        "telemetry",
        &["config", "oauth", "session", "api"],
        "everything may log and count, so logging and counting know nothing of it",
    ),
    (
        "bff-service/src/lib.rs",
        "oauth",
        &["session", "api", "authorize", "application", "server", "cli"],
        "the OAuth client knows nothing of cookies and endpoints",
    ),
    (
        "bff-service/src/lib.rs",
        "session",
        &["api", "authorize", "application", "server", "cli"],
        "sessions know nothing of the endpoints that change them",
    ),
];

fn graph(root: &str) -> ModuleGraph {
    ModuleGraph::read(&repository::path(root))
}

fn shown(module: &ModulePath) -> String {
    match module.is_empty() {
        true => "the crate's root".to_owned(),
        false => module.join("::"),
    }
}

/// The imports of the crate that go up, each with the rule's reason.
fn upward(root: &str, graph: &ModuleGraph) -> Vec<String> {
    let mut found = Vec::new();
    for (_, from, to, why) in NEVER.iter().filter(|(of, ..)| *of == root) {
        let is_from = |module: &ModulePath| module.first().is_some_and(|first| first == from);
        for (module, imports) in graph.imports.iter().filter(|(module, _)| is_from(module)) {
            for import in imports.iter().filter(|import| !is_from(import)) {
                let first = import.first().map_or("", String::as_str);
                if to.contains(&first) || to.contains(&"*") {
                    found.push(format!("{root}: {} imports {}: {why}", shown(module), shown(import)));
                }
            }
        }
    }
    found
}

#[test]
fn imports_run_downwards() {
    let mut found = Vec::new();
    for root in ROOTS {
        found.extend(upward(root, &graph(root)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for root in ROOTS {
        for circle in graph(root).circles() {
            let modules: Vec<String> = circle.iter().map(shown).collect();
            found.push(format!("{root}: {}", modules.join(", ")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_rule_is_about_a_module_that_is_there() {
    for (root, from, to, _) in NEVER {
        let modules: BTreeSet<String> = graph(root)
            .imports
            .keys()
            .filter_map(|module| module.first().cloned())
            .collect();
        for module in to.iter().chain([&from]).filter(|module| **module != "*") {
            assert!(
                modules.contains(*module),
                "{root}: unknown module {module}: correct `NEVER`"
            );
        }
    }
}

/// The rules can fail: a small crate that breaks both.
#[test]
fn a_circle_and_an_import_that_goes_up_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    };
    write("lib.rs", "mod encoding; mod gateway; mod jwt;");
    write("encoding.rs", "fn f() { println!(\"{}\", crate::jwt::G) }");
    write(
        "jwt.rs",
        "use super::gateway::{self, effect::Effect}; pub const G: u8 = 1;",
    );
    write(
        "gateway/mod.rs",
        "mod effect; use effect::Effect; mod inline { use super::super::jwt; }",
    );
    write(
        "gateway/effect.rs",
        "#[cfg(test)] mod tests { use crate::encoding; } pub struct Effect;",
    );
    let graph = ModuleGraph::read(&folder.path().join("lib.rs"));
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<ModulePath>();
    assert_eq!(graph.circles(), [BTreeSet::from([module("gateway"), module("jwt")])]);
    let found = upward("core/src/lib.rs", &graph);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[0].contains("encoding imports jwt: encodings know nothing of what is encoded"),
        "{found:?}"
    );
}

#[test]
fn no_file_of_code_is_longer_than_400_lines() {
    let mut long = Vec::new();
    for path in repository::files(&["rs", "ts", "tsx", "mjs"]) {
        let lines = fs::read_to_string(&path).expect("text").lines().count();
        if lines > 400 {
            let name = path
                .strip_prefix(repository::path(""))
                .unwrap_or(Path::new(""))
                .display();
            long.push(format!("{name}: {lines} lines: split it: write at most 400"));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
