//! The chart's README has a table of its values, generated from the comments of `values.yaml`, and its copies of the alerts and
//! of the dashboard are those of the documentation.

use std::fmt::Write;
use std::fs;

use bff_tests::repository;
use serde_json::Value;

const HEADING: &str = "\n## Values\n";

/// A row for each value and for each group of values, from the comment above it.
fn table(text: &str) -> String {
    let defaults: Value = serde_saphyr::from_str(text).expect("YAML");
    let mut table = "\n| Value | Default | Meaning |\n|---|---|---|\n".to_owned();
    let mut comment: Vec<&str> = Vec::new();
    // The keys above a line, with their indentation.
    let mut path: Vec<(usize, &str)> = Vec::new();
    // The indentation of the value whose lines are skipped.
    let mut skipped = None;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let content = line.trim_start();
        let indentation = line.len() - content.len();
        if skipped.is_some_and(|least| indentation > least) {
            continue;
        }
        skipped = None;
        if let Some(sentence) = content.strip_prefix('#') {
            comment.push(sentence.trim());
            continue;
        }
        let meaning = std::mem::take(&mut comment).join(" ").replace('|', "\\|");
        let Some((name, value)) = content.split_once(':') else {
            continue;
        };
        path.retain(|(above, _)| *above < indentation);
        path.push((indentation, name));
        let names: Vec<&str> = path.iter().map(|(_, name)| *name).collect();
        assert!(
            !meaning.is_empty(),
            "{}: missing comment: write one above it",
            names.join(".")
        );
        let is_group = value.is_empty() && lines.peek().is_some_and(|next| next.trim_start().starts_with('#'));
        let default = match is_group {
            true => String::new(),
            false => format!(
                "`{}`",
                defaults.pointer(&format!("/{}", names.join("/"))).expect("a value")
            ),
        };
        skipped = (!is_group).then_some(indentation);
        let _ = writeln!(table, "| `{}` | {default} | {meaning} |", names.join("."));
    }
    table
}

#[test]
fn the_readme_of_the_chart_has_all_values_with_their_defaults_and_comments() {
    let committed = repository::text("envoy/helm/README.md");
    let (introduction, _) = committed.split_once(HEADING).expect("the heading");
    let text = format!(
        "{introduction}{HEADING}{}",
        table(&repository::text("envoy/helm/values.yaml"))
    );
    if std::env::var_os("BFF_WRITE_REFERENCE").is_some() {
        fs::write(repository::path("envoy/helm/README.md"), &text).expect("written");
    }
    assert!(
        repository::text("envoy/helm/README.md") == text,
        "envoy/helm/README.md differs from values.yaml: generate it with BFF_WRITE_REFERENCE=1 cargo test -p bff-tests --test \
         chart, and look at the difference"
    );
}

#[test]
fn the_chart_s_alerts_and_dashboard_are_those_of_the_documentation() {
    for name in ["alerts.yaml", "dashboard.json"] {
        assert!(
            repository::text(&format!("envoy/helm/files/{name}"))
                == repository::text(&format!("docs/observability/{name}")),
            "envoy/helm/files/{name} differs: copy docs/observability/{name}"
        );
    }
}
