//! The cost of a thousand slow clients for the other clients: two Envoys with the filter, one of which holds connections over
//! which a part of a request's head has arrived.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use serde_json::json;

use crate::envoy::{self, Envoy, Listener};
use crate::ground::Ground;
use crate::load::Requests;
use crate::measure::{self, Figures, Plan, Subject};
use crate::result::Result;

/// The variant, and its base.
pub(crate) const NAMES: [&str; 2] = ["web-hit-slow-clients", "web-hit-no-slow-clients"];

const CLIENTS: usize = 1000;
const SESSIONS: usize = 64;

/// Measures the variant and its base, and adds their figures.
pub(crate) async fn measure(
    ground: &Ground<'_>,
    folder: &Path,
    plan: Plan,
    figures: &mut BTreeMap<String, Figures>,
) -> Result<()> {
    eprintln!("==> measuring beside {CLIENTS} slow clients");
    let configuration = json!({"bff_token": envoy::bff_token(), "phantom_token": envoy::phantom_token(10_000)});
    let sessions = ground.sessions(200, SESSIONS)?;
    let requests: Vec<Vec<u8>> = sessions.iter().map(|session| ground.get(session)).collect();
    let mut envoys = Vec::new();
    for _ in NAMES {
        let listener = Listener::new(vec![envoy::wasm(&ground.artifacts.filter, &configuration)]);
        let port = listener.port;
        let envoy = Envoy::start(
            ground.artifacts,
            folder,
            &[listener],
            ground.upstream,
            ground.deployment,
            1,
        )?;
        envoys.push((envoy, Requests::new(port, requests.clone(), 200)));
    }
    let [(with, of_with), (without, of_without)] = envoys.as_slice() else {
        return Err("measuring web-hit-slow-clients failed: it needs two Envoys".to_owned());
    };
    let held = (0..CLIENTS)
        .map(|_| {
            let mut client = TcpStream::connect(("127.0.0.1", of_with.port))?;
            client.write_all(b"GET /api/data HTTP/1.1\r\nhost: api.example.com\r\n")?;
            Ok(client)
        })
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(|error| {
            format!(
                "connecting {CLIENTS} slow clients to 127.0.0.1:{} failed: {error}: check the limit on open files, \
                 `ulimit -n`",
                of_with.port
            )
        })?;
    let subject = |number: usize, requests, program| Subject {
        name: NAMES[number],
        base: NAMES[1],
        requests,
        programs: vec![program],
    };
    let subjects = [
        subject(0, of_with, &with.program),
        subject(1, of_without, &without.program),
    ];
    figures.extend(measure::costs(&subjects, plan).await?);
    drop(held);
    Ok(())
}
