//! The results: a table on the terminal, and `latest.json`, `latest.md` and `latest.svg`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::measure::Figures;
use crate::memory::Memory;
use crate::result::Result;
use crate::service::Service;

/// The results of a run.
pub(crate) struct Report {
    pub(crate) figures: BTreeMap<String, Figures>,
    pub(crate) memory: Option<Memory>,
    pub(crate) service: Option<Service>,
}

/// The labels of the variants in the table and the chart, in this order. Variants without a label are left out there.
const ORDER: [(&str, &str); 53] = [
    ("bare", "Envoy without a filter (200 B cookie)"),
    ("noop", "a wasm filter that does nothing"),
    ("web-hit-100", "**the filter**, known session, 100 B cookie"),
    ("web-hit-200", "**the filter**, known session, 200 B cookie"),
    ("web-hit-500", "**the filter**, known session, 500 B cookie"),
    ("web-hit-1000", "**the filter**, known session, 1 KB cookie"),
    ("web-hit-2000", "**the filter**, known session, 2 KB cookie"),
    ("web-hit-4000", "**the filter**, known session, 4 KB cookie"),
    ("web-hit-8000", "**the filter**, known session, 8 KB cookie in parts"),
    (
        "web-hit-post-200",
        "**the filter**, known session, POST with CSRF value",
    ),
    ("web-first-200", "**the filter**, session seen first, no callout, 200 B"),
    ("web-first-2000", "**the filter**, session seen first, no callout, 2 KB"),
    ("web-miss-200", "**the filter**, introspection on every request"),
    ("web-sessions-10", "**the filter**, 10 sessions in turn"),
    ("web-sessions-1000", "**the filter**, 1,000 sessions in turn"),
    ("web-sessions-10000", "**the filter**, 10,000 sessions in turn"),
    (
        "web-sessions-100000",
        "**the filter**, 100,000 sessions in turn, 10,000 cached in the worker",
    ),
    (
        "web-hit-slow-clients",
        "**the filter**, known session, 1,000 slow clients held, beside the filter without them",
    ),
    ("bearer-hit", "**the filter**, bearer token, known"),
    ("refuse", "**the filter**, refused: no cookie"),
    ("refuse-altered-cookie", "**the filter**, refused: altered cookie"),
    ("native-noop", "a native module that does nothing"),
    ("native-hit-200", "**the native module**, known session, 200 B cookie"),
    ("native-hit-2000", "**the native module**, known session, 2 KB cookie"),
    (
        "native-first-200",
        "**the native module**, session seen first, no callout, 200 B",
    ),
    (
        "native-first-2000",
        "**the native module**, session seen first, no callout, 2 KB",
    ),
    (
        "native-sessions-100000",
        "**the native module**, 100,000 sessions in turn",
    ),
    ("native-bearer-hit", "**the native module**, bearer token, known"),
    ("native-refuse", "**the native module**, refused: no cookie"),
    ("oauth2", "Envoy's `oauth2`, valid session, 200 B access token cookie"),
    (
        "oauth2-jwt",
        "Envoy's `oauth2`, valid session, its access token as long as the JWT that the filter forwards",
    ),
    (
        "oauth2-2000",
        "Envoy's `oauth2`, valid session, 2 KB access token cookie",
    ),
    ("lua", "the same work in Lua, without opening cookies, 200 B"),
    ("lua-2000", "the same work in Lua, without opening cookies, 2 KB"),
    ("ext_authz", "`ext_authz` to a server that answers at once, 200 B"),
    ("ext_authz-2000", "`ext_authz` to a server that answers at once, 2 KB"),
    (
        "oauth2-proxy-cookie",
        "oauth2-proxy by `ext_authz`, cookie session, 200 B",
    ),
    (
        "oauth2-proxy-cookie-2000",
        "oauth2-proxy by `ext_authz`, cookie session, 2 KB",
    ),
    (
        "oauth2-proxy-redis",
        "oauth2-proxy by `ext_authz`, Redis session, 200 B",
    ),
    (
        "oauth2-proxy-redis-2000",
        "oauth2-proxy by `ext_authz`, Redis session, 2 KB",
    ),
    ("jwt_authn", "Envoy's `jwt_authn`, RS256"),
    ("jwt_authn-cached", "Envoy's `jwt_authn`, RS256, its cache on"),
    ("actix-bff-session", "an actix-web handler that does nothing"),
    ("bff-login-start", "**the service**: login start"),
    ("bff-session", "**the service**: session"),
    ("bff-claims", "**the service**: claims"),
    ("bff-refresh", "**the service**: refresh, with a token endpoint at hand"),
    ("bare-2000", "Envoy without a filter (2 KB cookie)"),
    ("noop-2000", "a wasm filter that does nothing, 2 KB"),
    ("native-noop-2000", "a native module that does nothing, 2 KB"),
    ("bare-4000", "Envoy without a filter (4 KB cookie)"),
    ("bare-8000", "Envoy without a filter (8 KB cookies)"),
    ("bare-post", "Envoy without a filter, POST"),
];

impl Report {
    /// Prints instructions on the terminal.
    pub(crate) fn print_instructions(&self) {
        println!(
            "thousands of instructions in user space for each request, and the ratio to those of the variant's base:"
        );
        for (name, figures) in &self.figures {
            println!("{name:24} {:8.1}  x {:5.2}", figures.cost, figures.cost_ratio);
        }
    }

    /// Prints the table on the terminal.
    pub(crate) fn print(&self) {
        println!("{}", self.markdown());
        for (name, figures) in &self.figures {
            println!(
                "{name:24} {:8.1} us  x {:5.2}  throughput x {:5.2}  p50 {:5.0} us, p99 {:5.0} us",
                figures.cost, figures.cost_ratio, figures.rps_ratio, figures.p50_us, figures.p99_us
            );
        }
    }

    /// Writes the files.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let rows: Vec<Value> = self.figures.iter().map(|(name, figures)| row(name, figures)).collect();
        let json =
            serde_json::to_string_pretty(&rows).map_err(|error| format!("serializing the results failed: {error}"))?;
        for (name, text) in [
            ("latest.json", format!("{json}\n")),
            ("latest.md", self.markdown()),
            ("latest.svg", self.svg()),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|error| format!("writing {} failed: {error}", path.display()))?;
            eprintln!("==> written: {}", path.display());
        }
        Ok(())
    }

    fn ordered(&self) -> impl Iterator<Item = (&'static str, &'static str, &Figures)> {
        ORDER
            .iter()
            .filter_map(|(name, label)| Some((*name, *label, self.figures.get(*name)?)))
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "Measured on {} by `cargo xtask bench`: CPU time of Envoy (or of the service) for each request, as a ratio to \
             Envoy without a filter (or to an actix-web handler that does nothing) with the same requests right before or \
             after; medians. Differences under 4 % mean nothing.\n\n",
            date()
        );
        if let Some(bare) = self.figures.get("bare") {
            let _ = writeln!(
                text,
                "Envoy without a filter took {:.1} µs of CPU time a request. The busier the machine, the more CPU time a \
                 request takes, and the larger the ratios are.\n",
                bare.cost
            );
        }
        if self.figures.keys().any(|name| name.starts_with("oauth2-proxy")) {
            text.push_str(
                "The rows of oauth2-proxy count the CPU time of Envoy, of oauth2-proxy and, with Redis sessions, of Redis, which \
                 share one CPU. The access token of oauth2-proxy is as long as the one in the filter's cookie of 200 B or 2 KB. A \
                 session of oauth2-proxy also holds an ID token, which makes the cookie of a cookie session larger. Envoy \
                 without a filter gets the same cookie.\n\n",
            );
        }
        text.push_str("| | CPU | throughput | p50, p99 at half load |\n|---|---|---|---|\n");
        for (_, label, figures) in self.ordered() {
            let latency = match figures.p50_us > 0.0 {
                true => format!("× {:.2}, × {:.2}", figures.p50_ratio, figures.p99_ratio),
                false => String::new(),
            };
            let _ = writeln!(
                text,
                "| {label} | × {:.2} | × {:.2} | {latency} |",
                figures.cost_ratio, figures.rps_ratio
            );
        }
        text.push_str("\n| | |\n|---|---|\n");
        if let Some(memory) = &self.memory {
            text.push_str(&memory.rows());
        }
        if let Some(service) = &self.service {
            let (before, after) = service.rss_kib;
            let _ = writeln!(
                text,
                "| RSS of the service, before and after load | {:.1} MiB, {:.1} MiB |",
                mib(before),
                mib(after)
            );
        }
        text
    }

    /// A bar chart of the CPU ratios.
    fn svg(&self) -> String {
        const ROW_PIXELS: usize = 22;
        let rows: Vec<_> = self
            .ordered()
            .filter(|(name, ..)| !name.starts_with("bff") && !name.starts_with("actix"))
            .collect();
        let height = rows.len() * ROW_PIXELS + 40;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"860\" height=\"{height}\" fill=\"#ffffff\"/>\n\
             <text x=\"10\" y=\"20\" font-weight=\"bold\">CPU time a request, Envoy without a filter = 1</text>\n"
        );
        for (number, (name, label, figures)) in rows.iter().enumerate() {
            let y = 40 + number * ROW_PIXELS;
            let colour = if label.contains("**") { "#2b6cb0" } else { "#a0aec0" };
            let (width, cut) = bar(figures.cost_ratio);
            let label = label.replace("**", "").replace('`', "").replace('&', "&amp;");
            let _ = writeln!(
                text,
                "<text x=\"10\" y=\"{}\">{label}</text><rect x=\"400\" y=\"{}\" width=\"{width:.0}\" height=\"14\" fill=\"{colour}\"><title>{name}</title></rect><text x=\"{:.0}\" y=\"{}\">{cut}{:.2}</text>",
                y + 12,
                y + 1,
                406.0 + width,
                y + 12,
                figures.cost_ratio
            );
        }
        text.push_str("</svg>\n");
        text
    }
}

/// The width of a ratio's bar, in pixels, and the sign of a bar that is cut.
fn bar(ratio: f64) -> (f64, &'static str) {
    const PIXELS_OF_ONE: f64 = 160.0;
    const WIDEST_PIXELS: f64 = 380.0;
    let width = ratio * PIXELS_OF_ONE;
    match width > WIDEST_PIXELS {
        true => (WIDEST_PIXELS, "… "),
        false => (width.max(1.0), ""),
    }
}

fn row(name: &str, figures: &Figures) -> Value {
    let round = |value: f64| (value * 1000.0).round() / 1000.0;
    json!({
        "name": name,
        "cpu_us": round(figures.cost),
        "cpu_ratio": round(figures.cost_ratio),
        "rps_ratio": round(figures.rps_ratio),
        "p50_us": round(figures.p50_us),
        "p99_us": round(figures.p99_us),
    })
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn date() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    output.map_or_else(
        |_| "an unknown day".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_wide_as_its_ratio_and_says_where_it_is_cut() {
        assert_eq!(bar(0.0), (1.0, ""));
        assert_eq!(bar(1.5), (240.0, ""));
        assert_eq!(bar(6.0), (380.0, "… "));
    }

    #[test]
    fn the_report_says_whose_cpu_time_the_rows_of_oauth2_proxy_count() {
        let report = |name: &str| {
            let figures = BTreeMap::from([(name.to_owned(), Figures::default())]);
            let (memory, service) = (None, None);
            Report {
                figures,
                memory,
                service,
            }
            .markdown()
        };
        assert!(report("oauth2-proxy-redis").contains("count the CPU time of Envoy, of oauth2-proxy"));
        assert!(!report("bare").contains("oauth2-proxy"));
    }
}
