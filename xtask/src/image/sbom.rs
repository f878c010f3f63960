//! The bill of materials of a module: CycloneDX 1.6, of the crates that are linked into it, as cargo resolves them.
//! Without time and serial number, so that the same sources result in the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use demo_system::files;
use serde_json::{Value, json};

use crate::result::Result;
use crate::{command, workspace};

/// The document for a package of the workspace, built for a target.
pub(super) fn of(package: &str, target: &str) -> Result<String> {
    let ask = |cargo: &mut Command| {
        command::read_output(cargo.current_dir(workspace::root()))
            .ok_or_else(|| format!("`{}` failed: run it to see why", command::shown(cargo)))
    };
    // `cargo tree` resolves features as `cargo build --package` does, `cargo metadata` for the whole workspace at once.
    // Macros run during the build and are not part of the module.
    let tree = ask(command::cargo()
        .args([
            "tree",
            "--locked",
            "--package",
            package,
            "--target",
            target,
            "--no-dedupe",
        ])
        .args([
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "depth",
            "--format",
            " {p}",
        ]))?;
    let metadata = ask(command::cargo().args(["metadata", "--locked", "--format-version", "1"]))?;
    let metadata = serde_json::from_str(&metadata).map_err(|error| {
        format!("parsing the output of `cargo metadata` failed: {error}: check the version of cargo")
    })?;
    let lock = files::read(&workspace::path("Cargo.lock"))?;
    let document = document(package, &graph(&tree)?, &metadata, &checksums(&lock))?;
    serde_json::to_string_pretty(&document)
        .map(|text| text + "\n")
        .map_err(|error| format!("serializing the bill of materials failed: {error}"))
}

/// A package's name and version.
type Package = (String, String);
/// Each package and its dependencies.
type Graph = BTreeMap<Package, BTreeSet<Package>>;

/// Parses lines such as `1 sha2 v0.11.1`, whose number is the depth.
fn graph(tree: &str) -> Result<Graph> {
    let mut graph = Graph::new();
    let mut above: Vec<Package> = Vec::new();
    for line in tree.lines() {
        let unexpected = || {
            format!("parsing the output of `cargo tree` failed: unexpected line `{line}`: check the version of cargo")
        };
        let mut words = line.split_whitespace();
        let depth: usize = words.next().and_then(|word| word.parse().ok()).ok_or_else(unexpected)?;
        let name = words.next().ok_or_else(unexpected)?;
        let version = words
            .next()
            .and_then(|word| word.strip_prefix('v'))
            .ok_or_else(unexpected)?;
        let package = (name.to_owned(), version.to_owned());
        above.truncate(depth);
        if let Some(parent) = above.last() {
            graph.entry(parent.clone()).or_default().insert(package.clone());
        }
        graph.entry(package.clone()).or_default();
        above.push(package);
    }
    Ok(graph)
}

/// The SHA-256 of the packages' archives at crates.io.
fn checksums(lock: &str) -> BTreeMap<Package, String> {
    let field = |block: &str, name: &str| {
        let start = format!("{name} = \"");
        let line = block.lines().find_map(|line| line.strip_prefix(&start))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]");
    blocks
        .filter_map(|block| {
            let package = (field(block, "name")?, field(block, "version")?);
            Some((package, field(block, "checksum")?))
        })
        .collect()
}

fn document(package: &str, graph: &Graph, metadata: &Value, checksums: &BTreeMap<Package, String>) -> Result<Value> {
    let packages = metadata["packages"]
        .as_array()
        .ok_or("the output of `cargo metadata` has no `packages`: check the version of cargo")?;
    let license = |(name, version): &Package| {
        let found = packages
            .iter()
            .find(|package| package["name"] == **name && package["version"] == **version);
        found.and_then(|package| package["license"].as_str())
    };
    let component = |package: &Package| {
        let (name, version) = package;
        let mut component = json!({
            "type": "library",
            "bom-ref": purl(package),
            "name": name,
            "version": version,
            "scope": "required",
            "purl": purl(package),
        });
        if let Some(license) = license(package) {
            // Before SPDX had expressions, crates separated their licenses by slashes.
            component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
        }
        if let Some(sum) = checksums.get(package) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
        }
        component
    };
    let root = graph
        .keys()
        .find(|(name, _)| name == package)
        .ok_or_else(|| format!("the output of `cargo tree` does not contain {package}: check the version of cargo"))?;
    let mut main = component(root);
    main["type"] = json!("application");
    if let Some(fields) = main.as_object_mut() {
        fields.remove("scope");
    }
    let components: Vec<Value> = graph.keys().filter(|package| *package != root).map(component).collect();
    let dependencies: Vec<Value> = graph
        .iter()
        .map(|(package, on)| json!({"ref": purl(package), "dependsOn": on.iter().map(purl).collect::<Vec<_>>()}))
        .collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": main},
        "components": components,
        "dependencies": dependencies,
    }))
}

/// <https://github.com/package-url/purl-spec>
fn purl((name, version): &Package) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::native::Architecture;
    use crate::tools::wasm::TARGET;

    #[test]
    fn a_tree_of_lines_becomes_who_depends_on_whom() {
        let graph = graph("0 a v1.0.0 (/x)\n1 b v2.0.0\n2 c v3.0.0+x\n1 c v3.0.0+x\n").expect("a graph");
        let package = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let c = package("c", "3.0.0+x");
        assert_eq!(
            graph[&package("a", "1.0.0")],
            BTreeSet::from([package("b", "2.0.0"), c.clone()])
        );
        assert_eq!(graph[&package("b", "2.0.0")], BTreeSet::from([c.clone()]));
        assert_eq!(purl(&c), "pkg:cargo/c@3.0.0%2Bx");
        assert!(super::graph("warning: something").is_err());
    }

    #[test]
    fn the_bill_names_what_the_filter_links_with_licence_and_checksum_and_nothing_of_the_service() {
        let of_the_filter = || of("bff-filter", TARGET).expect("a document");
        let text = of_the_filter();
        assert_eq!(text, of_the_filter());
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let components = document["components"].as_array().expect("components");
        let named = |name: &str| components.iter().find(|component| component["name"] == name);
        for name in ["proxy-wasm", "aes-gcm", "serde_json"] {
            let component = named(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(
                component["hashes"][0]["content"].as_str().map(str::len),
                Some(64),
                "{name}"
            );
            assert!(component["licenses"][0]["expression"].is_string(), "{name}");
        }
        assert!(named("bff-core").is_some());
        for name in ["actix-web", "getrandom", "serde_derive", "tokio"] {
            assert!(named(name).is_none(), "{name} is not linked into the module");
        }
        let refs: BTreeSet<&str> = components
            .iter()
            .filter_map(|component| component["bom-ref"].as_str())
            .collect();
        assert_eq!(refs.len(), components.len(), "every reference is of one component");
    }
    #[test]
    fn the_bill_of_the_native_module_names_what_both_forms_have_and_nothing_of_proxy_wasm() {
        for architecture in Architecture::ALL {
            let text = of("bff-module", architecture.target()).expect("a document");
            let document: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(document["metadata"]["component"]["name"], "bff-module");
            let components = document["components"].as_array().expect("components");
            let has = |name: &str| components.iter().any(|component| component["name"] == name);
            assert!(has("bff-core") && has("aes-gcm"));
            assert!(!has("proxy-wasm") && !has("bff-filter"));
        }
    }
}
