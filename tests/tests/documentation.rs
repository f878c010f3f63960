//! What the documentation says of the code is true.

use std::fs;

use bff_tests::repository;

#[test]
fn every_row_of_the_security_tables_names_tests_that_exist() {
    let page = repository::text("docs/SECURITY.md");
    let code: String = repository::files(&["rs", "mjs"])
        .iter()
        .map(|file| fs::read_to_string(file).expect("text"))
        .collect();
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

#[test]
fn every_link_in_a_document_leads_to_a_file_of_the_repository() {
    let mut count = 0;
    for page in repository::files(&["md"]) {
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

#[test]
fn the_costs_in_the_readme_are_those_that_were_measured() {
    let readme = repository::text("README.md");
    let measured = repository::text("bench/results/latest.md");
    let (_, section) = readme.split_once("## What it costs").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("its end");
    let rows: Vec<&str> = section.lines().filter(|line| line.contains("× ")).collect();
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        assert!(measured.lines().any(|line| line == row), "{row}");
    }
    let date = measured.split_whitespace().nth(2).expect("`Measured on` a date");
    assert!(section.contains(&format!("measured on {date}")), "{date}");
}
