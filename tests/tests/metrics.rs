//! The dashboard, the alerts and their page name only metrics that the running system has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use bff_tests::setup::{TestSystem, artifacts, start};
use bff_tests::user_agent::UserAgent;
use bff_tests::{promql, repository};
use demo_system::Component;

/// Labels that Prometheus adds when it scrapes.
const OF_THE_SCRAPE: [&str; 3] = ["instance", "job", "namespace"];

fn folder() -> PathBuf {
    repository::path("docs/observability")
}

/// The scraped metrics: each with its labels, and each label's values.
type Scraped = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The service and the filter, after every counted event has occurred.
fn scrape() -> Scraped {
    let test = start(|options| options.without.retain(|component| *component != Component::Redis));
    use_system(&test);
    // The filter reports twice a second.
    bff_tests::setup::eventually("the filter has reported", || {
        bff_tests::setup::filter_statistic(&test.system, "requests_forwarded") >= 2
            && bff_tests::setup::filter_statistic(&test.system, "requests_refused_401") >= 1
    });
    let mut scraped = Scraped::new();
    for (address, path) in [
        (test.system.bff_admin(), "/metrics"),
        (test.system.envoy_admin(), "/stats/prometheus"),
    ] {
        let (status, text) = demo_system::get(address, path).expect("metrics");
        assert_eq!(status, 200, "{path}");
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (name, labels) = series(line);
            let name = renamed(&name).to_owned();
            let known = scraped.entry(name).or_default();
            for (label, value) in labels {
                known.entry(label).or_default().insert(value);
            }
        }
    }
    scraped
}

/// What docs/observability.md lets Prometheus make of a metric of the native module.
fn renamed(name: &str) -> &str {
    name.strip_prefix("envoy_dynamicmodulescustom_").unwrap_or(name)
}

fn use_system(test: &TestSystem) {
    let mut user = UserAgent::signed_in(&test.system);
    assert_eq!(user.get_data().status, 200);
    assert_eq!(user.get_data().status, 200);
    assert_eq!(user.bff("GET", "/bff/session").status, 200);
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    let stranger = UserAgent::new(&test.system);
    assert_eq!(stranger.get_data().status, 401);
    let mut forged = user.clone();
    forged.csrf = "another".to_owned();
    assert_eq!(forged.bff("POST", "/bff/refresh").status, 401);
    assert_eq!(user.bff("POST", "/bff/logout").status, 200);
}

/// The name and the labels in a line `name{label="value",…} number`.
fn series(line: &str) -> (String, Vec<(String, String)>) {
    let end = line.find(['{', ' ']).expect("a name");
    let (name, rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        let inside = &inside[..inside.rfind('}').expect("the labels end")];
        for pair in inside.split("\",").filter(|pair| !pair.is_empty()) {
            let (label, value) = pair.split_once("=\"").expect("a label");
            labels.push((label.to_owned(), value.trim_end_matches('"').to_owned()));
        }
    }
    (name.to_owned(), labels)
}

/// The expressions of the dashboard, each with its panel's title.
fn dashboard() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder().join("dashboard.json")).expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut found = Vec::new();
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        for target in panel["targets"].as_array().into_iter().flatten() {
            found.push((
                title.to_owned(),
                target["expr"].as_str().expect("an expression").to_owned(),
            ));
        }
    }
    assert!(found.len() > 20, "only {} expressions", found.len());
    found
}

/// The alerts' names and expressions.
fn alerts() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder().join("alerts.yaml")).expect("the alerts");
    let mut found: Vec<(String, String)> = Vec::new();
    let mut in_expression = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("      - alert: ") {
            found.push((name.to_owned(), String::new()));
        } else if let Some(expression) = line.strip_prefix("        expr: ") {
            in_expression = expression == "|";
            if !in_expression {
                found.last_mut().expect("an alert").1 = expression.to_owned();
            }
        } else if in_expression && line.starts_with("          ") {
            let (_, expression) = found.last_mut().expect("an alert");
            expression.push_str(line);
        } else {
            in_expression = false;
        }
    }
    assert!(
        found.len() > 10 && found.iter().all(|(_, expression)| !expression.is_empty()),
        "{found:?}"
    );
    found
}

#[test]
fn the_dashboard_and_the_alerts_name_only_metrics_labels_and_values_that_exist() {
    let scraped = scrape();
    for (place, expression) in dashboard().into_iter().chain(alerts()) {
        let (selectors, grouped) = promql::parts(&expression);
        assert!(!selectors.is_empty(), "{place}: {expression}");
        let mut labels: BTreeSet<&str> = OF_THE_SCRAPE.into();
        for selector in &selectors {
            if let Some(pattern) = &selector.pattern {
                // The native module has no VM.
                if artifacts().is_native() && pattern.starts_with("envoy_wasm_") {
                    labels.insert("__name__");
                    continue;
                }
                let (start, end) = pattern.split_once(".+").expect("a beginning, anything, and an end");
                assert!(
                    scraped
                        .keys()
                        .any(|name| name.starts_with(start) && name.ends_with(end)),
                    "{place}: no metric is {pattern}"
                );
                labels.insert("__name__");
                continue;
            }
            let known = scraped.get(&selector.metric);
            let known = known.unwrap_or_else(|| panic!("{place}: unknown metric {}", selector.metric));
            let of_the_metric = |(label, _): &&(String, Option<String>)| !OF_THE_SCRAPE.contains(&label.as_str());
            for (label, value) in selector.labels.iter().filter(of_the_metric) {
                let values = known.get(label);
                let values = values.unwrap_or_else(|| panic!("{place}: {} has no label {label}", selector.metric));
                // Which outcomes and reasons occurred depends on the run.
                if let Some(value) = value.as_ref().filter(|_| label == "endpoint") {
                    assert!(values.contains(value), "{place}: no {label} is {value}");
                }
            }
            labels.extend(known.keys().map(String::as_str));
        }
        for label in grouped {
            assert!(labels.contains(label.as_str()), "{place}: nothing has a label {label}");
        }
    }
    the_page_has_every_metric(&scraped);
}

/// Compares the tables of docs/observability.md with the scraped metrics and labels, in both directions.
fn the_page_has_every_metric(scraped: &Scraped) {
    let page = repository::text("docs/observability.md");
    let mut written: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (of_both, rest) = page.split_once("#### The native module").expect("a section");
    let of_the_form = match artifacts().is_native() {
        true => rest,
        false => "",
    };
    let rows = of_both.lines().chain(of_the_form.lines());
    for row in rows.filter(|line| line.starts_with("| `bff_")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let labels = cells[2].split('`').skip(1).step_by(2).map(str::to_owned);
        written.insert(cells[0].trim_matches('`').to_owned(), labels.collect());
    }
    let mut there: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, labels) in scraped.iter().filter(|(name, _)| name.starts_with("bff_")) {
        // A histogram is written once, and a key's counter as that of any key.
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        let mut name = base.unwrap_or(name).to_owned();
        if name.starts_with("bff_filter_cookies_opened_by_") {
            name = "bff_filter_cookies_opened_by_<fingerprint>".to_owned();
        }
        let labels = labels.keys().filter(|label| *label != "le").cloned();
        there.entry(name).or_default().extend(labels);
    }
    assert_eq!(written, there);
}

#[test]
fn the_page_has_every_event_and_every_reason_of_the_service() {
    let page = repository::text("docs/observability.md");
    let sources = repository::path("bff-service/src");
    let between = |text: &str, before: &str| -> BTreeSet<String> {
        let found = text.split(before).skip(1).filter_map(|rest| rest.split('"').next());
        found.map(str::to_owned).collect()
    };
    let mut code = String::new();
    read_sources(&sources, &mut code);
    let events = between(&code, "event = \"");
    let rows = page.lines().skip_while(|line| !line.starts_with("| event |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with("| `"));
    let written: BTreeSet<String> = rows.filter_map(|row| Some(row.split('`').nth(1)?.to_owned())).collect();
    assert_eq!(written, events);
    let errors = std::fs::read_to_string(sources.join("api/error.rs")).expect("the reasons");
    let names: BTreeSet<String> = errors
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("Reason::")?
                .split('"')
                .nth(1)
                .map(str::to_owned)
        })
        .collect();
    assert!(names.len() > 10, "{names:?}");
    let rows = page.lines().skip_while(|line| !line.starts_with("| reason |")).skip(2);
    let cells = rows
        .take_while(|line| line.starts_with('|'))
        .filter_map(|row| row.split('|').nth(1));
    let written: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert_eq!(written, names.iter().map(String::as_str).collect());
}

fn read_sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_sources(&path, into);
        } else {
            into.push_str(&std::fs::read_to_string(&path).expect("text"));
        }
    }
}

fn promtool(arguments: &[&str], folder: &Path) {
    let program = std::env::var_os("PROMTOOL").expect("missing PROMTOOL: run the tests with `cargo xtask test`");
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("promtool starts");
    let report = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&report));
}

#[test]
fn promtool_accepts_the_alerts_and_each_fires_when_it_should() {
    promtool(&["check", "rules", "alerts.yaml"], &folder());
    promtool(&["test", "rules", "alerts.test.yaml"], &folder());
    let tests = std::fs::read_to_string(folder().join("alerts.test.yaml")).expect("the tests of the alerts");
    let rules = std::fs::read_to_string(folder().join("alerts.yaml")).expect("the alerts");
    let page = repository::text("docs/operations/alerts.md");
    for (alert, _) in alerts() {
        let fires = format!("alertname: {alert}\n        exp_alerts:\n          - exp_labels");
        assert!(tests.contains(&fires), "no test makes {alert} fire");
        assert!(
            page.contains(&format!("\n### {alert}\n")),
            "docs/operations/alerts.md does not say what to do about {alert}"
        );
        // The anchor of a heading is its text in lower case.
        let section = format!("runbook_url: docs/operations/alerts.md#{}\n", alert.to_lowercase());
        assert_eq!(
            rules.matches(&section).count(),
            1,
            "{alert} does not lead to its section"
        );
    }
}

#[test]
fn promtool_accepts_every_expression_of_the_dashboard() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (index, (title, expression)) in dashboard().into_iter().enumerate() {
        let expression = expression
            .replace("$__rate_interval", "5m")
            .replace("$namespace", ".*")
            .replace("$job", ".*");
        rules.push_str(&format!(
            "      # {title}\n      - record: panel:{index}\n        expr: |\n          {expression}\n"
        ));
    }
    std::fs::write(folder.path().join("dashboard.yaml"), rules).expect("written");
    promtool(&["check", "rules", "dashboard.yaml"], folder.path());
}

#[test]
fn promtool_finds_no_fault_in_the_services_own_metrics() {
    let test = start(|_| {});
    use_system(&test);
    let (_, text) = demo_system::get(test.system.bff_admin(), "/metrics").expect("metrics");
    let program = std::env::var_os("PROMTOOL").expect("missing PROMTOOL: run the tests with `cargo xtask test`");
    let mut process = Command::new(program)
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut input = process.stdin.take().expect("its input");
    std::io::Write::write_all(&mut input, text.as_bytes()).expect("written");
    drop(input);
    let output = process.wait_with_output().expect("promtool ends");
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && report.is_empty(), "{report}");
}
