//! What the documentation says of the code is true.

use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the repository")
        .to_owned()
}

/// The text of all Rust and JavaScript sources.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if !["target", "node_modules", ".git", "dist"]
                .iter()
                .any(|skipped| name == *skipped)
            {
                sources(&path, into);
            }
        } else if path.extension().is_some_and(|end| end == "rs" || end == "mjs") {
            into.push_str(&fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn every_row_of_the_security_tables_names_tests_that_exist() {
    let page = fs::read_to_string(repository().join("docs/SECURITY.md")).expect("docs/SECURITY.md");
    let mut code = String::new();
    sources(&repository(), &mut code);
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| What must hold"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let tests: Vec<&str> = cells.last().expect("a cell").split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test in: {row}");
        for test in tests {
            let rust = format!("fn {test}(");
            let javascript = format!("test('{test}'");
            assert!(
                code.contains(&rust) || code.contains(&javascript),
                "there is no test `{test}`"
            );
            count += 1;
        }
    }
    assert!(count > 40, "only {count} tests are named");
}

/// The documents, but for those of packages that are not ours.
fn documents(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if !["target", "node_modules", ".git", "dist"]
                .iter()
                .any(|skipped| name == *skipped)
            {
                documents(&path, into);
            }
        } else if path.extension().is_some_and(|end| end == "md") {
            into.push(path);
        }
    }
}

#[test]
fn every_link_in_a_document_leads_to_a_file_of_the_repository() {
    let mut pages = Vec::new();
    documents(&repository(), &mut pages);
    let mut count = 0;
    for page in pages {
        let text = fs::read_to_string(&page).expect("text");
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with(['#', '<'])) {
            let file = link.split('#').next().unwrap_or_default();
            let target = page.parent().expect("a folder").join(file);
            assert!(target.exists(), "{}: there is no {link}", page.display());
            count += 1;
        }
    }
    assert!(count > 40, "only {count} links were found");
}
