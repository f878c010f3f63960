//! Envoy's configuration for a run: one process with the listeners of all variants.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use demo_system::free_port;
use serde_json::{Value, json};

use crate::counter::Meter;
use crate::credentials::{Deployment, ORIGIN, PREFIX};
use crate::oauth2_proxy::{self, Server};
use crate::process::{Program, is_ready};
use crate::result::Result;

/// The programs and files that the measurements need.
pub(crate) struct Artifacts {
    pub(crate) envoy: Vec<OsString>,
    /// The filter as a proxy-wasm module.
    pub(crate) filter: PathBuf,
    pub(crate) noop_filter: PathBuf,
    /// The filter as a native module.
    pub(crate) native_module: PathBuf,
    /// A native module that does nothing.
    pub(crate) noop_module: PathBuf,
    pub(crate) bff_service: PathBuf,
    pub(crate) this_program: PathBuf,
    /// `None` if oauth2-proxy is not measured.
    pub(crate) oauth2_proxy: Option<oauth2_proxy::Programs>,
    /// What is measured.
    pub(crate) meter: Meter,
}

/// A listener in the configuration.
pub(crate) struct Listener {
    pub(crate) port: u16,
    filters: Vec<Value>,
    /// The server that the filters ask.
    pub(crate) server: Option<Server>,
}

impl Listener {
    /// A listener with these HTTP filters before the router.
    pub(crate) fn new(filters: Vec<Value>) -> Self {
        Self {
            port: free_port(),
            filters,
            server: None,
        }
    }

    /// A listener that asks oauth2-proxy.
    pub(crate) fn asking(server: Server) -> Self {
        Self {
            server: Some(server),
            ..Self::new(vec![server.filter()])
        }
    }
}

/// A running Envoy.
pub(crate) struct Envoy {
    pub(crate) program: Program,
    /// The time from its start until it is ready.
    pub(crate) start_up: Duration,
}

impl Envoy {
    /// Starts Envoy on CPU 0.
    pub(crate) fn start(
        artifacts: &Artifacts,
        folder: &Path,
        listeners: &[Listener],
        upstream: u16,
        deployment: &Deployment,
        workers: u32,
    ) -> Result<Self> {
        let admin = free_port();
        let file = folder.join("envoy.json");
        std::fs::write(&file, configuration(listeners, upstream, admin).to_string())
            .map_err(|error| format!("writing {} failed: {error}", file.display()))?;
        let mut program = Program::start(artifacts.meter, "0", &artifacts.envoy, |command| {
            command
                .arg("-c")
                .arg(&file)
                .args(["--concurrency", &workers.to_string(), "--log-level", "error"])
                .args(["--disable-hot-restart"])
                .env("BFF_COOKIE_KEYS", &deployment.key)
                .env("GATEWAY_CLIENT_SECRET", "secret");
        })?;
        let start_up = program.wait_until("Envoy", || is_ready(admin, "/ready"))?;
        Ok(Self { program, start_up })
    }
}

fn configuration(listeners: &[Listener], upstream: u16, admin: u16) -> Value {
    let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let cluster = |name: &str, port: u16| {
        json!({
            "name": name,
            "connect_timeout": "2s",
            "circuit_breakers": {"thresholds": [{"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096}]},
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]},
        })
    };
    let servers = listeners.iter().filter_map(|listener| listener.server);
    let clusters: Vec<Value> = std::iter::once(cluster("upstream", upstream))
        .chain(servers.map(|server| cluster(&server.cluster(), server.port)))
        .collect();
    let listeners = listeners.iter().map(|listener| {
        let mut filters = listener.filters.clone();
        filters.push(json!({
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }));
        json!({
            "name": format!("listener-{}", listener.port),
            "address": address(listener.port),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": format!("l{}", listener.port),
                    "normalize_path": true,
                    "merge_slashes": true,
                    "http_filters": filters,
                    "route_config": {"virtual_hosts": [{
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "15s"}}],
                    }]},
                },
            }]}],
        })
    });
    let secret =
        |name: &str, value: &str| json!({"name": name, "generic_secret": {"secret": {"inline_string": value}}});
    json!({
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": listeners.collect::<Vec<_>>(),
            "secrets": [secret("token", "secret"), secret("hmac", "a-secret-of-this-run-that-guards-nothing")],
            "clusters": clusters,
        },
    })
}

/// A proxy-wasm module as an HTTP filter, with its configuration.
pub(crate) fn wasm(module: &Path, configuration: &Value) -> Value {
    json!({
        "name": "wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "root_id": "bench",
                "failure_policy": "FAIL_RELOAD",
                "vm_config": {
                    "vm_id": module.file_name().map(|name| name.to_string_lossy().into_owned()),
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": module}},
                    "environment_variables": {"host_env_keys": ["BFF_COOKIE_KEYS", "GATEWAY_CLIENT_SECRET"]},
                },
                "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration.to_string()},
            },
        },
    })
}

/// The native module as an HTTP filter, with its configuration.
pub(crate) fn native(module: &Path, configuration: &Value) -> Value {
    json!({
        "name": "native",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
            "dynamic_module_config": {"module": {"local": {"filename": module}}, "do_not_close": true},
            "filter_name": "bench",
            "filter_config": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration.to_string()},
        },
    })
}

/// The section of the cookie stage.
pub(crate) fn bff_token() -> Value {
    json!({
        "cookie_name_prefix": PREFIX,
        "encryption_key": {"env": "BFF_COOKIE_KEYS"},
        "trusted_web_origins": [ORIGIN],
    })
}

/// The section of the token stage.
pub(crate) fn phantom_token(cache_entries: usize) -> Value {
    json!({
        "introspection_endpoint": "https://login.example.com/introspect",
        "cluster": "upstream",
        "client_id": "api-gateway-client",
        "client_secret": {"env": "GATEWAY_CLIENT_SECRET"},
        "token_cache_entries": cache_entries,
        "jwt_access_tokens": "introspect",
    })
}

/// Envoy's own filter for OAuth.
pub(crate) fn oauth2(upstream: u16) -> Value {
    let secret = |name: &str| json!({"name": name});
    json!({
        "name": "envoy.filters.http.oauth2",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.oauth2.v3.OAuth2",
            "config": {
                "token_endpoint": {"cluster": "upstream", "uri": format!("http://127.0.0.1:{upstream}/token"), "timeout": "5s"},
                "authorization_endpoint": "https://login.example.com/authorize",
                "redirect_uri": "https://www.example.com/callback",
                "redirect_path_matcher": {"path": {"exact": "/callback"}},
                "signout_path": {"path": {"exact": "/signout"}},
                "forward_bearer_token": true,
                "credentials": {"client_id": "client", "token_secret": secret("token"), "hmac_secret": secret("hmac")},
                "auth_scopes": ["openid"],
            },
        },
    })
}

/// Envoy's own filter for JWTs.
pub(crate) fn jwt_authn(jwks: &Value, cached: bool) -> Value {
    let mut provider = json!({
        "issuer": "https://login.example.com",
        "audiences": ["api.example.com"],
        "local_jwks": {"inline_string": jwks.to_string()},
        "forward": true,
    });
    if cached && let Some(provider) = provider.as_object_mut() {
        provider.insert("jwt_cache_config".to_owned(), json!({"jwt_cache_size": 1000}));
    }
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"as": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "as"}}],
        },
    })
}

/// `ext_authz`: a server that is called for each request.
pub(crate) fn ext_authz(upstream: u16) -> Value {
    json!({
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "http_service": {
                "server_uri": {"uri": format!("http://127.0.0.1:{upstream}"), "cluster": "upstream", "timeout": "5s"},
                "path_prefix": "/authz",
                "authorization_response": {"allowed_upstream_headers": {"patterns": [{"exact": "authorization"}]}},
            },
            "allowed_headers": {"patterns": [{"exact": "cookie"}, {"exact": "origin"}]},
        },
    })
}

/// A Lua script.
pub(crate) fn lua(script: &str) -> Value {
    json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": script},
            // The route does not depend on what the script changes.
            "clear_route_cache": false,
        },
    })
}
