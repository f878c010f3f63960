//! The documentation agrees with the code.

use std::collections::HashSet;
use std::fs;

use bff_tests::repository;

/// The names of all tests in Rust (`#[test]` and the like above a function) and JavaScript (`test('…'`).
fn names_of_tests() -> HashSet<String> {
    let mut names = HashSet::new();
    for file in repository::files(&["rs", "mjs"]) {
        let mut is_test = false;
        for line in fs::read_to_string(file).expect("text").lines().map(str::trim_start) {
            if let Some(attribute) = line.strip_prefix("#[") {
                let path = attribute.split(['(', ']']).next().unwrap_or_default();
                is_test |= path.rsplit("::").next() == Some("test");
            }
            if let Some((_, rest)) = line.split_once("fn ")
                && !line.starts_with("//")
            {
                let name = rest.split(['(', '<']).next().unwrap_or_default();
                if std::mem::take(&mut is_test) {
                    names.insert(name.to_owned());
                }
            }
            let javascript = line.strip_prefix("test('").and_then(|rest| rest.split('\'').next());
            names.extend(javascript.map(str::to_owned));
        }
    }
    names
}

#[test]
fn every_row_of_the_security_tables_names_tests_that_exist() {
    let page = repository::text("docs/SECURITY.md");
    let all_tests = names_of_tests();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| What must hold"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let tests: Vec<&str> = cells.last().expect("a cell").split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test in: {row}");
        for test in tests {
            assert!(
                all_tests.contains(test),
                "docs/SECURITY.md: unknown test `{test}`: write the name of a test that exists"
            );
            count += 1;
        }
    }
    assert!(count > 40, "only {count} tests are named");
}

#[test]
fn every_link_in_a_document_leads_to_a_file_of_the_repository() {
    let mut count = 0;
    for page in repository::files(&["md"]) {
        let text = fs::read_to_string(&page).expect("text");
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with(['#', '<'])) {
            let file = link.split('#').next().unwrap_or_default();
            let target = page.parent().expect("a folder").join(file);
            assert!(target.exists(), "{}: missing {link}", page.display());
            count += 1;
        }
    }
    assert!(count > 40, "only {count} links were found");
}

#[test]
fn the_costs_in_the_readme_are_those_that_were_measured() {
    let readme = repository::text("README.md");
    let measured = repository::text("bench/results/latest.md");
    let (_, section) = readme.split_once("## Performance").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("its end");
    let rows: Vec<&str> = section.lines().filter(|line| line.contains("× ")).collect();
    assert!(rows.len() >= 4, "{rows:?}");
    for row in rows {
        assert!(measured.lines().any(|line| line == row), "{row}");
    }
    let date = measured.split_whitespace().nth(2).expect("`Measured on` a date");
    assert!(section.contains(&format!("measured on {date}")), "{date}");
}

#[test]
fn every_action_of_a_workflow_is_named_by_its_digest() {
    let mut count = 0;
    for workflow in fs::read_dir(repository::path(".github/workflows")).expect("the folder") {
        let workflow = workflow.expect("a file").path();
        let text = fs::read_to_string(&workflow).expect("text");
        for line in text
            .lines()
            .filter(|line| line.trim_start_matches(['-', ' ']).starts_with("uses:"))
        {
            let (_, version) = line.split_once('@').unwrap_or_default();
            let digest = version.split_whitespace().next().unwrap_or_default();
            let is_digest = digest.len() == 40 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(
                is_digest,
                "{}: missing digest, since a tag may be moved: write it after the @: {line}",
                workflow.display()
            );
            assert!(
                version.contains(" # v"),
                "{}: missing version: write it as a comment, `# v…`: {line}",
                workflow.display()
            );
            count += 1;
        }
    }
    assert!(count > 10, "only {count} actions were found");
}

#[test]
fn one_version_of_envoy_is_built_with_tested_with_and_written_for() {
    let downloaded = repository::text("xtask/src/tools/envoy.rs");
    let (_, version) = downloaded.split_once("version: \"").expect("a version");
    let (version, _) = version.split_once('"').expect("its end");
    assert!(repository::text("Dockerfile").contains(&format!("distroless-v{version}\n")));
    let minor = version.rsplit_once('.').expect("three numbers").0;
    let written_for = format!("Envoy {minor}");
    assert!(repository::text("envoy/envoy.yaml").contains(&format!("# Written for {written_for}.")));
    assert!(repository::text("docs/deploy/kubernetes.md").contains(&written_for));
}

#[test]
fn the_shipped_configurations_decide_nothing_by_patterns_rbac_or_upgrades_but_web_sockets() {
    let shipped: Vec<_> = repository::files(&["yaml"])
        .into_iter()
        .filter(|file| file.to_string_lossy().contains("/envoy/"))
        .collect();
    assert!(shipped.len() > 5, "{shipped:?}");
    for file in shipped {
        let text = fs::read_to_string(&file).expect("text");
        let settings: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .collect();
        for line in &settings {
            for word in [
                "safe_regex",
                "regex",
                "filters.http.rbac",
                "AuthorizationPolicy",
                "connect_matcher",
            ] {
                assert!(!line.contains(word), "{}: {line}", file.display());
            }
            if let Some((_, upgrade)) = line.split_once("upgrade_type: ") {
                assert!(upgrade.starts_with("websocket"), "{}: {line}", file.display());
            }
        }
    }
}

#[test]
fn one_version_is_released() {
    let version = |file: &str, before: &str| {
        let text = repository::text(file);
        let (_, rest) = text
            .split_once(before)
            .unwrap_or_else(|| panic!("{file}: missing `{before}`"));
        rest.split('"').next().unwrap_or_default().trim().to_owned()
    };
    let released = version("Cargo.toml", "\nversion = \"");
    assert_eq!(version("client/package.json", "\"version\": \""), released);
    assert_eq!(version("envoy/helm/Chart.yaml", "\nappVersion: \""), released);
    assert!(repository::text("envoy/helm/Chart.yaml").contains(&format!("\nversion: {released}\n")));
}

#[test]
fn every_advisory_that_is_ignored_has_a_statement_that_says_why() {
    let document: serde_json::Value = serde_json::from_str(&repository::text("docs/openvex.json")).expect("JSON");
    assert_eq!(document["@context"], "https://openvex.dev/ns/v0.2.0");
    let statements = document["statements"].as_array().expect("statements");
    let names: HashSet<&str> = statements
        .iter()
        .map(|statement| {
            assert_eq!(statement["status"], "not_affected");
            assert!(statement["justification"].is_string() && statement["impact_statement"].is_string());
            statement["vulnerability"]["name"].as_str().expect("a name")
        })
        .collect();
    let rules = repository::text("deny.toml");
    let (_, advisories) = rules.split_once("\n[advisories]\n").expect("the section");
    for ignored in advisories.split('"').filter(|text| text.starts_with("RUSTSEC-")) {
        assert!(
            names.contains(ignored),
            "docs/openvex.json does not say why {ignored} does not apply: add a statement"
        );
    }
}
