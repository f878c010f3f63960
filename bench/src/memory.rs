//! The filter's memory at rest and under load, by number of workers, with the time of the start and the size of the module.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::envoy::{self, Envoy, Listener};
use crate::ground::Ground;
use crate::load::{self, Pace, Requests};
use crate::result::Result;

/// The results.
pub(crate) struct Memory {
    /// RSS in KiB by number of workers: without the filter, and with it.
    pub(crate) workers: Vec<(u32, u64, u64)>,
    /// From start to ready, the median of the starts above: without the filter, and with it.
    pub(crate) start_up: (Duration, Duration),
    /// RSS in KiB after numbers of requests with 100,000 different access tokens.
    pub(crate) after: Vec<(u64, u64)>,
    /// The size of the proxy-wasm module.
    pub(crate) module_bytes: u64,
}

const TOKENS: usize = 100_000;
const REQUESTS: u64 = 1_000_000;

pub(crate) async fn measure(ground: &Ground<'_>, folder: &Path) -> Result<Memory> {
    let web = json!({"bff_token": envoy::bff_token(), "phantom_token": envoy::phantom_token(10_000)});
    let web = || vec![envoy::wasm(&ground.artifacts.filter, &web)];
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
    let mut start_up = (Vec::new(), Vec::new());
    for count in [1, 2, 4] {
        eprintln!("==> measuring memory and start-up, number of workers: {count}");
        let (_, bare) = start(Vec::new(), count)?;
        start_up.0.push(bare.start_up);
        let bare = read_settled_rss_kib(&bare).await;
        let (_, ours) = start(web(), count)?;
        start_up.1.push(ours.start_up);
        workers.push((count, bare, read_settled_rss_kib(&ours).await));
    }
    eprintln!("==> sending {REQUESTS} requests with {TOKENS} access tokens");
    let (port, envoy) = start(web(), 1)?;
    let mut list = Vec::with_capacity(TOKENS);
    for session in ground.sessions(200, TOKENS)? {
        list.push(ground.get(&session));
    }
    let requests = Requests::new(port, list, 200);
    let (mut sent, mut next) = (0, REQUESTS / 4);
    let mut after = vec![(0, envoy.program.rss_kib())];
    while sent < REQUESTS {
        sent += load::run(&requests, Pace::Full, Duration::from_millis(500))
            .await?
            .count;
        if sent >= next {
            after.push((sent, envoy.program.rss_kib()));
            next += REQUESTS / 4;
        }
    }
    start_up.0.sort_unstable();
    start_up.1.sort_unstable();
    Ok(Memory {
        workers,
        start_up: (
            start_up.0.get(1).copied().unwrap_or_default(),
            start_up.1.get(1).copied().unwrap_or_default(),
        ),
        after,
        module_bytes: std::fs::metadata(&ground.artifacts.filter).map_or(0, |metadata| metadata.len()),
    })
}

/// The memory in KiB, a second after Envoy is ready.
async fn read_settled_rss_kib(envoy: &Envoy) -> u64 {
    tokio::time::sleep(Duration::from_secs(1)).await;
    envoy.program.rss_kib()
}
