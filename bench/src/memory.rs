//! What the two forms of the filter take beside their CPU time: memory at rest and under load, time of the start, and
//! introspections by number of workers.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::envoy::{self, Envoy, Listener};
use crate::ground::Ground;
use crate::load::{self, Pace, Requests};
use crate::result::Result;
use crate::upstream::Upstream;

const TOKENS: usize = 100_000;
const REQUESTS: u64 = 1_000_000;

/// The form of the filter.
#[derive(Clone, Copy)]
enum Form {
    ProxyWasm,
    Native,
}

impl Form {
    const ALL: [Self; 2] = [Self::ProxyWasm, Self::Native];

    const fn label(self) -> &'static str {
        match self {
            Self::ProxyWasm => "the proxy-wasm module",
            Self::Native => "the native module",
        }
    }

    /// The filter, with both stages.
    fn filter(self, ground: &Ground<'_>, stage: &Value) -> Value {
        let web = json!({"bff_token": envoy::bff_token(), "phantom_token": stage});
        match self {
            Self::ProxyWasm => envoy::wasm(&ground.artifacts.filter, &web),
            Self::Native => envoy::native(&ground.artifacts.native_module, &web),
        }
    }
}

/// The results.
pub(crate) struct Memory {
    /// By number of workers, the RSS in KiB: without the filter, and with each form.
    workers: Vec<(u32, u64, [u64; 2])>,
    /// From start to ready, the median of the starts above: without the filter, and with each form.
    start_up: (Duration, [Duration; 2]),
    /// By form, the RSS in KiB after numbers of requests with 100,000 different access tokens.
    after: [Vec<(u64, u64)>; 2],
    /// By number of workers, the introspections of one access token that is used on 32 connections, for each form.
    introspections: Vec<(u32, [u64; 2])>,
    /// The size of each form's file, in bytes.
    module_bytes: [u64; 2],
}

pub(crate) async fn measure(ground: &Ground<'_>, upstream: &Upstream, folder: &Path) -> Result<Memory> {
    let stage = envoy::phantom_token(10_000);
    let start = |filters, workers| {
        let listener = Listener::new(filters);
        let port = listener.port;
        let envoy = Envoy::start(
            ground.artifacts,
            folder,
            &[listener],
            ground.upstream,
            ground.deployment,
            workers,
        )?;
        Ok::<_, String>((port, envoy))
    };
    let mut workers = Vec::new();
    let mut start_up = [Vec::new(), Vec::new(), Vec::new()];
    for count in [1, 2, 4] {
        eprintln!("==> measuring memory and start-up, number of workers: {count}");
        let mut rss_kib = [0; 3];
        let [without, wasm, native] = [None, Some(Form::ProxyWasm), Some(Form::Native)]
            .map(|form| Vec::from_iter(form.map(|form| form.filter(ground, &stage))));
        for (index, filters) in [without, wasm, native].into_iter().enumerate() {
            let (_, envoy) = start(filters, count)?;
            start_up[index].push(envoy.start_up);
            rss_kib[index] = read_settled_rss_kib(&envoy).await;
        }
        let [without, wasm, native] = rss_kib;
        workers.push((count, without, [wasm, native]));
    }
    let mut introspections = Vec::new();
    for count in [1, 2, 4, 8] {
        eprintln!("==> counting introspections, number of workers: {count}");
        let mut of = [0; 2];
        for (form, of) in Form::ALL.into_iter().zip(&mut of) {
            let (port, _envoy) = start(vec![form.filter(ground, &stage)], count)?;
            let session = ground.sessions(200, 1)?.remove(0);
            let requests = Requests::new(port, vec![ground.get(&session)], 200);
            let before = upstream.introspections();
            load::run(&requests, Pace::Full, Duration::from_secs(1)).await?;
            *of = upstream.introspections() - before;
        }
        introspections.push((count, of));
    }
    let mut list = Vec::with_capacity(TOKENS);
    for session in ground.sessions(200, TOKENS)? {
        list.push(ground.get(&session));
    }
    let mut after = [Vec::new(), Vec::new()];
    for (form, after) in Form::ALL.into_iter().zip(&mut after) {
        eprintln!(
            "==> sending {REQUESTS} requests with {TOKENS} access tokens through {}",
            form.label()
        );
        let (port, envoy) = start(vec![form.filter(ground, &stage)], 1)?;
        let requests = Requests::new(port, list.clone(), 200);
        let (mut sent, mut next) = (0, REQUESTS / 4);
        after.push((0, envoy.program.rss_kib()));
        while sent < REQUESTS {
            sent += load::run(&requests, Pace::Full, Duration::from_millis(500))
                .await?
                .count;
            if sent >= next {
                after.push((sent, envoy.program.rss_kib()));
                next += REQUESTS / 4;
            }
        }
    }
    let [without, wasm, native] = start_up.map(|mut times: Vec<Duration>| {
        times.sort_unstable();
        times.get(1).copied().unwrap_or_default()
    });
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    Ok(Memory {
        workers,
        start_up: (without, [wasm, native]),
        after,
        introspections,
        module_bytes: [&ground.artifacts.filter, &ground.artifacts.native_module].map(|path| size(path)),
    })
}

impl Memory {
    /// The rows of the report's second table.
    pub(crate) fn rows(&self) -> String {
        let mut text = String::new();
        let (without, starts) = self.start_up;
        for (index, form) in Form::ALL.into_iter().enumerate() {
            let label = form.label();
            let _ = writeln!(text, "| {label} | {} KB |", self.module_bytes[index] / 1000);
            let _ = writeln!(
                text,
                "| Envoy's start, without and with {label} | {} ms, {} ms |",
                without.as_millis(),
                starts[index].as_millis()
            );
            for (workers, without, with) in &self.workers {
                let _ = writeln!(
                    text,
                    "| RSS with {workers} worker{}, without and with {label} | {} MiB, {} MiB |",
                    if *workers == 1 { "" } else { "s" },
                    without / 1024,
                    with[index] / 1024
                );
            }
            for (requests, rss) in &self.after[index] {
                let _ = writeln!(
                    text,
                    "| RSS after {requests} requests with 100,000 sessions, {label} | {} MiB |",
                    rss / 1024
                );
            }
        }
        for (workers, [wasm, native]) in &self.introspections {
            let _ = writeln!(
                text,
                "| introspections of one access token on 32 connections with {workers} worker{}, proxy-wasm and native | {wasm}, {native} |",
                if *workers == 1 { "" } else { "s" }
            );
        }
        text
    }
}

/// The memory in KiB, a second after Envoy is ready.
async fn read_settled_rss_kib(envoy: &Envoy) -> u64 {
    tokio::time::sleep(Duration::from_secs(1)).await;
    envoy.program.rss_kib()
}
