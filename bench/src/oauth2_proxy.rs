//! oauth2-proxy, as people run it beside Envoy: `ext_authz` asks it for each request, and it returns the `Authorization` header
//! for the API. Its sessions are in cookies or in Redis.
//!
//! The session of a variant is one, whose requests are repeated: oauth2-proxy caches no session, so that more would cost the
//! same. It logs nothing, as the filter and the service do here, and Go's scheduler has the one CPU to which the program is
//! bound (`GOMAXPROCS` is 1, as Go chooses).

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bff_core::encoding::base64url;
use demo_system::free_port;
use serde_json::{Value, json};

use crate::counter::Meter;
use crate::credentials::{random, token_length};
use crate::oauth2::Product;
use crate::process::Program;
use crate::result::Result;
use crate::upstream::{self, EXPIRES_IN_SECONDS};

/// The programs.
pub(crate) struct Programs {
    pub(crate) oauth2_proxy: PathBuf,
    pub(crate) redis: PathBuf,
}

/// Where the sessions are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Cookie,
    Redis,
}

impl Store {
    pub(crate) const ALL: [Store; 2] = [Store::Cookie, Store::Redis];

    /// The variants with this store, and the lengths of their access tokens: those in our cookies of 200 B and 2 KB.
    pub(crate) fn variants(self) -> [(&'static str, usize); 2] {
        let [small, large] = match self {
            Store::Cookie => ["oauth2-proxy-cookie", "oauth2-proxy-cookie-2000"],
            Store::Redis => ["oauth2-proxy-redis", "oauth2-proxy-redis-2000"],
        };
        [(small, token_length(200)), (large, token_length(2000))]
    }
}

/// A sign-in with oauth2-proxy, through Envoy.
pub(crate) const PRODUCT: Product = Product {
    name: "oauth2-proxy",
    callback: "/oauth2/callback",
    code: "id_token",
    cookie: "_oauth2_proxy",
};

/// An oauth2-proxy that a listener's filter asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn new(store: Store) -> Self {
        let port = free_port();
        Self { store, port }
    }

    /// The name of Envoy's cluster for it.
    pub(crate) fn cluster(self) -> String {
        format!("oauth2-proxy-{}", self.port)
    }

    /// The filter that asks it, with the headers that its users list in Envoy and Istio. Its path is that of the request, since
    /// `/oauth2/auth` responds with HTTP 202, and Envoy forwards a request only after HTTP 200.
    pub(crate) fn filter(self) -> Value {
        let headers = |names: &[&str]| {
            let patterns: Vec<Value> = names.iter().map(|name| json!({"exact": name})).collect();
            json!({"patterns": patterns})
        };
        json!({
            "name": "envoy.filters.http.ext_authz",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                "http_service": {
                    "server_uri": {"uri": format!("http://127.0.0.1:{}", self.port), "cluster": self.cluster(), "timeout": "5s"},
                    "authorization_response": {
                        "allowed_upstream_headers": headers(&["authorization"]),
                        "allowed_client_headers": headers(&["content-type", "set-cookie"]),
                    },
                },
                "allowed_headers": headers(&["authorization", "cookie", "x-forwarded-proto"]),
            },
        })
    }

    /// Starts it on CPU 0, and before it the Redis that it needs.
    async fn start(self, programs: &Programs, folder: &Path, upstream: u16) -> Result<Vec<Program>> {
        let redis = match self.store {
            Store::Cookie => None,
            Store::Redis => Some(start_redis(&programs.redis, folder)?),
        };
        let file = folder.join(format!("{}.yaml", self.cluster()));
        std::fs::write(&file, configuration(self.port, upstream).to_string())
            .map_err(|error| format!("writing {} failed: {error}", file.display()))?;
        let key = base64url::encode(&random::<32>()?);
        let program = programs.oauth2_proxy.clone().into();
        let mut proxy = Program::start(Meter::CpuTime, "0", &[program], |command| {
            command.args(arguments(&key)).arg("--alpha-config").arg(&file);
            if let Some((_, port)) = &redis {
                command.arg("--session-store-type=redis");
                command.arg(format!("--redis-connection-url=redis://127.0.0.1:{port}"));
            }
        })?;
        proxy.wait_until_ready(PRODUCT.name, self.port, "/ready").await?;
        let redis = redis.map(|(program, _)| program);
        Ok(std::iter::once(proxy).chain(redis).collect())
    }
}

/// The running programs of each server.
#[derive(Default)]
pub(crate) struct Running(Vec<(Server, Vec<Program>)>);

impl Running {
    /// Starts the servers.
    pub(crate) async fn start(programs: &Programs, servers: &[Server], folder: &Path, upstream: u16) -> Result<Self> {
        let mut running = Vec::new();
        for server in servers {
            running.push((*server, server.start(programs, folder, upstream).await?));
        }
        Ok(Self(running))
    }

    /// The programs of a server; none without a server.
    pub(crate) fn of(&self, server: Option<Server>) -> impl Iterator<Item = &Program> {
        let found = self.0.iter().filter(move |(other, _)| Some(*other) == server);
        found.flat_map(|(_, programs)| programs)
    }
}

/// A Redis that writes nothing to the disk, and its port.
fn start_redis(program: &Path, folder: &Path) -> Result<(Program, u16)> {
    let port = free_port();
    let mut redis = Program::start(Meter::CpuTime, "0", &[program.into()], |command| {
        // Redis writes warnings about the machine to stdout, and errors of its configuration to stderr.
        command
            .stdout(Stdio::null())
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--loglevel", "warning", "--dir"])
            .arg(folder);
    })?;
    redis.wait_until("Redis", || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    Ok((redis, port))
}

/// Arguments for what the structured configuration does not contain.
fn arguments(key: &str) -> Vec<String> {
    // A minute before the access token expires, as the documentation recommends.
    let refresh_seconds = EXPIRES_IN_SECONDS - 60;
    [
        "--redirect-url=https://api.example.com/oauth2/callback",
        "--email-domain=*",
        "--reverse-proxy=true",
        "--trusted-proxy-ip=127.0.0.1/32",
        "--skip-provider-button=true",
        "--request-logging=false",
        "--auth-logging=false",
        "--standard-logging=false",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([
        format!("--cookie-secret={key}"),
        format!("--cookie-name={}", PRODUCT.cookie),
        format!("--cookie-refresh={refresh_seconds}s"),
    ])
    .collect()
}

/// The structured configuration, which alone can put the access token into `Authorization`: `--set-authorization-header` puts
/// the ID token there. JSON is YAML.
fn configuration(port: u16, upstream: u16) -> Value {
    json!({
        "server": {"bindAddress": format!("127.0.0.1:{port}")},
        "upstreamConfig": {"upstreams": [{"id": "all", "path": "/", "static": true, "staticCode": 200}]},
        "injectResponseHeaders": [{
            "name": "Authorization",
            "values": [{"claimSource": {"claim": "access_token", "prefix": "Bearer "}}],
        }],
        "providers": [{
            "id": "authorization-server",
            "provider": "oidc",
            "clientID": "client",
            "clientSecret": "secret",
            "scope": "openid profile email",
            "code_challenge_method": "S256",
            "oidcConfig": {
                "issuerURL": upstream::issuer(upstream),
                "audienceClaims": ["aud"],
                "emailClaim": "email",
                "userIDClaim": "sub",
            },
        }],
    })
}
