//! The dashboard and the alerts in a real Prometheus that scrapes a running system.

use std::path::Path;
use std::process::{Command, Stdio};

use bff_tests::repository;
use bff_tests::setup::{eventually, start};
use bff_tests::user_agent::UserAgent;
use demo_system::{ChildGroup, Component, System, free_port, get};
use serde_json::Value;

/// A Prometheus that scrapes this system every second. Dropping it ends it.
struct Prometheus {
    process: ChildGroup,
    port: u16,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill();
    }
}

impl Prometheus {
    fn start(system: &System, folder: &Path) -> Self {
        let promtool = std::env::var_os("PROMTOOL").expect("missing PROMTOOL: run the tests with `cargo xtask test`");
        let program = Path::new(&promtool).with_file_name("prometheus");
        let configuration = folder.join("prometheus.yml");
        let target = |address| format!("static_configs: [{{ targets: ['{address}'], labels: {{ namespace: shop }} }}]");
        let text = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: ['{}']
scrape_configs:
  - job_name: bff
    {}
  - job_name: envoy
    metrics_path: /stats/prometheus
    {}
",
            repository::path("docs/observability/alerts.yaml").display(),
            target(system.bff_admin()),
            target(system.envoy_admin()),
        );
        std::fs::write(&configuration, text).expect("written");
        let port = free_port();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = ChildGroup::start(command).expect("Prometheus starts");
        let prometheus = Self { process, port };
        eventually("Prometheus has scraped both", || {
            prometheus
                .query("sum(up)")
                .is_ok_and(|found| found[0]["value"][1] == "2")
        });
        prometheus
    }

    fn api(&self, path: &str) -> Result<Value, String> {
        let address = ([127, 0, 0, 1], self.port).into();
        let (_, text) = get(address, path).map_err(|error| error.to_string())?;
        let response: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        match response["status"] == "success" {
            true => Ok(response["data"].clone()),
            false => Err(text),
        }
    }

    /// The series that a query returns now.
    fn query(&self, expression: &str) -> Result<Value, String> {
        let query: String = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        Ok(self.api(&format!("/api/v1/query?query={query}"))?["result"].clone())
    }
}

/// The expressions of the dashboard, as Grafana sends them with all namespaces and jobs chosen.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&repository::text("docs/observability/dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let written = targets.map(|target| target["expr"].as_str().expect("an expression"));
    written
        .map(|expression| {
            let chosen = expression.replace("$namespace", ".*").replace("$job", ".*");
            chosen.replace("$__rate_interval", "15s")
        })
        .collect()
}

#[test]
fn every_query_of_the_dashboard_finds_series_and_every_rule_of_the_alerts_is_evaluated() {
    let test = start(|options| options.without.retain(|component| *component != Component::Redis));
    let folder = tempfile::tempdir().expect("a folder");
    let prometheus = Prometheus::start(&test.system, folder.path());
    let mut user = UserAgent::signed_in(&test.system);
    assert_eq!(user.get_data().status, 200);
    assert_eq!(user.bff("GET", "/bff/session").status, 200);
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    let mut forged = user.clone();
    forged.csrf = "another".to_owned();
    assert_eq!(forged.bff("POST", "/bff/refresh").status, 401);
    let expressions = expressions();
    assert!(expressions.len() > 20);
    for expression in expressions {
        eventually(&format!("{expression} finds something"), || {
            let found = prometheus
                .query(&expression)
                .unwrap_or_else(|error| panic!("the query {expression} failed: {error}"));
            found.as_array().is_some_and(|series| !series.is_empty())
        });
    }
    eventually("every rule has been evaluated without an error", || {
        let groups = prometheus.api("/api/v1/rules").expect("the rules")["groups"].clone();
        let groups = groups.as_array().cloned().unwrap_or_default();
        let rules: Vec<&Value> = groups
            .iter()
            .filter_map(|group| group["rules"].as_array())
            .flatten()
            .collect();
        rules.len() > 20 && rules.iter().all(|rule| rule["health"] == "ok")
    });
}
