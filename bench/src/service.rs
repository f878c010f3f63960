//! The cost of the service beside that of an actix-web handler that does nothing.

use bff_core::cookie::purpose::Purpose;
use std::collections::BTreeMap;
use std::path::Path;

use demo_system::free_port;

use crate::credentials::{CSRF, Deployment, ORIGIN, Session};
use crate::envoy::Artifacts;
use crate::load::Requests;
use crate::measure::{self, Figures, Plan, Subject};
use crate::process::Program;
use crate::result::Result;
use crate::upstream::{self, Upstream};

/// Further results.
pub(crate) struct Service {
    /// RSS in KiB before any load, and after it.
    pub(crate) rss_kib: (u64, u64),
}

/// The number of sessions that refresh in turn: so many that no refresh replays an earlier result.
const REFRESHING_SESSIONS: usize = 60_000;

/// Measures the endpoints, adds their figures, and returns the further results.
pub(crate) async fn measure(
    artifacts: &Artifacts,
    folder: &Path,
    deployment: &Deployment,
    upstream: &Upstream,
    plan: Plan,
    figures: &mut BTreeMap<String, Figures>,
) -> Result<Service> {
    eprintln!("==> measuring the service");
    let (port, admin, bare_port) = (free_port(), free_port(), free_port());
    let file = folder.join("bff.toml");
    let issuer = upstream::issuer(upstream.port);
    let text = format!(
        "trusted_web_origins = [\"{ORIGIN}\"]\ncookie_name_prefix = \"{prefix}\"\ndemo = true\n\
         [server]\nport = {port}\nadmin_port = {admin}\nworkers = 1\n\
         [authorization_server]\nissuer = \"{issuer}\"\nmax_connections = 50\n\
         [client]\nid = \"client\"\nredirect_uri = \"{ORIGIN}/\"\npost_logout_redirect_uri = \"{ORIGIN}/\"\n\
         [session]\nrefresh_replay_seconds = 1\n",
        prefix = crate::credentials::PREFIX,
    );
    std::fs::write(&file, text).map_err(|error| format!("writing {} failed: {error}", file.display()))?;
    let mut program = Program::start(
        artifacts.meter,
        "0",
        &[artifacts.bff_service.clone().into()],
        |command| {
            command
                .arg("--config")
                .arg(&file)
                .env("BFF_COOKIE_KEYS", &deployment.key)
                .env("BFF_CLIENT_SECRET", "secret")
                .env("RUST_LOG", "error");
        },
    )?;
    program.wait_until_ready("the service", admin, "/readyz").await?;
    let mut bare = Program::start(
        artifacts.meter,
        "0",
        &[artifacts.this_program.clone().into()],
        |command| {
            command.args(["bare-actix", &bare_port.to_string()]);
        },
    )?;
    bare.wait_until_ready("the actix-web handler", bare_port, "/").await?;
    let before = program.rss_kib();

    let session = deployment.session(200)?;
    let all = |session: &Session| {
        let names = &deployment.names;
        format!(
            "cookie: {}={}; {}={}; {}={}; {}={}\r\n",
            names.of(Purpose::AccessToken),
            session.access_token,
            names.of(Purpose::RefreshToken),
            session.refresh_token,
            names.of(Purpose::IdToken),
            session.id_token,
            names.of(Purpose::Csrf),
            session.csrf
        )
    };
    let csrf = format!("x-example-csrf: {CSRF}\r\n");
    let json = "content-type: application/json\r\n";
    let request = |method: &str, path: &str, lines: &str, body: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: api.example.com\r\norigin: {ORIGIN}\r\naccept: application/json\r\n\
             x-request-id: 0c9a1e2f-7b3d-4c5e-8f60-123456789abc\r\n{lines}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let get = |path: &str| Requests::new(port, vec![request("GET", path, &all(&session), "")], 200);
    let refreshing = (0..REFRESHING_SESSIONS).map(|_| {
        let session = deployment.session(200)?;
        Ok(request("POST", "/bff/refresh", &format!("{}{csrf}", all(&session)), ""))
    });
    let list = [
        (
            "bff-login-start",
            Requests::new(port, vec![request("POST", "/bff/login/start", json, "{}")], 200),
        ),
        ("bff-session", get("/bff/session")),
        ("bff-claims", get("/bff/claims")),
        (
            "bff-refresh",
            Requests::new(port, refreshing.collect::<Result<_>>()?, 204),
        ),
    ];
    // The same bytes to a handler that does nothing.
    let bases: Vec<(String, Requests)> = list
        .iter()
        .map(|(name, requests)| {
            let first = requests.list.iter().take(1).cloned().collect();
            (format!("actix-{name}"), Requests::new(bare_port, first, 200))
        })
        .collect();
    let of_bases = bases.iter().map(|(name, requests)| Subject {
        name,
        base: name,
        requests,
        programs: vec![&bare],
    });
    let ours = list.iter().zip(&bases).map(|((name, requests), (base, _))| Subject {
        name,
        base,
        requests,
        programs: vec![&program],
    });
    let subjects: Vec<Subject<'_>> = of_bases.chain(ours).collect();
    figures.extend(measure::costs(&subjects, plan).await?);
    Ok(Service {
        rss_kib: (before, program.rss_kib()),
    })
}
