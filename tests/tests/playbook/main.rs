//! The operator's playbook, tried: each test breaks one thing in the running system, and the log, a metric, an alert and a
//! section of the documentation name the cause.

mod authorization_server;
mod deployment;

use std::fs;
use std::path::Path;

use bff_tests::repository;
use bff_tests::setup::{TestSystem, eventually};
use demo_system::{Component, Options};

/// What the operator sees.
struct Evidence<'a> {
    /// Whose log has the line.
    log: Component,
    /// A part of the line.
    line: &'a str,
    /// The beginning of the metric's line, with labels in their order. Its value rises above 0.
    metric: &'a str,
    /// The alert, whose expression has the metric.
    alert: &'a str,
    /// A heading that names the cause, and its page.
    section: (&'a str, &'a str),
}

const OPERATIONS: &str = "docs/OPERATIONS.md";
const ALERTS: &str = "docs/operations/alerts.md";

/// Fails unless the running system shows all of the evidence.
fn assert_told(test: &TestSystem, evidence: &Evidence<'_>) {
    let Evidence {
        log,
        line,
        metric,
        alert,
        section: (page, heading),
    } = evidence;
    let log = test.system.log(*log);
    eventually(&format!("{} has: {line}", log.display()), || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains(line))
    });
    eventually(&format!("{metric} is above 0"), || value(test, metric) > 0.0);
    assert_alert(metric, alert);
    assert!(
        repository::text(page).contains(&format!("\n### {heading}\n")),
        "{page} has no section {heading}"
    );
    let section = format!("\n### {alert}\n");
    assert!(
        repository::text(ALERTS).contains(&section),
        "{ALERTS} has no section {alert}"
    );
}

/// Fails unless the alert's expression has the metric.
fn assert_alert(metric: &str, alert: &str) {
    let rules = repository::text("docs/observability/alerts.yaml");
    let (_, rule) = rules.split_once(&format!("- alert: {alert}\n")).expect("the alert");
    let rule = rule.split("annotations:").next().unwrap_or_default();
    let name = metric.split('{').next().unwrap_or_default();
    assert!(rule.contains(name), "the expression of {alert} does not have {name}");
}

/// The value of a series of the service or of Envoy, 0 if there is none.
fn value(test: &TestSystem, series: &str) -> f64 {
    let (address, path) = match series.starts_with("bff_filter_") {
        true => (test.system.envoy_admin(), "/stats/prometheus"),
        false => (test.system.bff_admin(), "/metrics"),
    };
    let Ok((_, text)) = demo_system::get(address, path) else {
        return 0.0;
    };
    let found = text.lines().filter(|line| line.starts_with(series));
    found
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

fn set(options: &mut Options, component: Component, name: &str, value: impl Into<String>) {
    options.environment.push((component, name.to_owned(), value.into()));
}

/// A secret that the other server does not have.
fn other_secret(options: &Options) -> String {
    let path = options.directory.join("other-secret");
    fs::write(&path, "another-secret-than-that-of-the-other-side").expect("written");
    path.display().to_string()
}

/// Changes the content of a file while the service is stopped.
fn with_service_stopped(test: &TestSystem, file: &Path, content: &str) {
    test.system.stop(Component::Bff);
    fs::write(file, content).expect("written");
    test.system.resume(Component::Bff).expect("the service starts");
}
