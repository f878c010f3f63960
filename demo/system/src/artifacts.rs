//! The programs and files that a system is started from.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The built programs and files. All paths should be absolute: a test runs in a working directory other than
/// `cargo xtask`.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// Envoy: the program and its leading arguments, such as `["envoy"]` or `["func-e", "run"]`.
    pub envoy: Vec<OsString>,
    /// `envoy/envoy.yaml`.
    pub envoy_config: PathBuf,
    /// The filter: the proxy-wasm module `bff_filter.wasm`, or the native module `libbff_module.so`.
    pub filter: PathBuf,
    /// The `bff-service` program.
    pub bff_service: PathBuf,
    /// The `demo-api` program.
    pub demo_api: PathBuf,
    /// The `demo-web-host` program.
    pub demo_web_host: PathBuf,
    /// Node.js.
    pub node: PathBuf,
    /// `demo/authorization-server`, with its dependencies installed.
    pub authorization_server: PathBuf,
    /// `demo/spa/dist`.
    pub spa: PathBuf,
    /// `redis-server`, for replicas that share one.
    pub redis: Option<PathBuf>,
}

/// The variable that passes Envoy's command line from `cargo xtask test` to the tests, with one word per line.
const ENVOY: &str = "BFF_TEST_ENVOY";
/// The variable that passes the path of Redis, if there is one.
const REDIS: &str = "BFF_TEST_REDIS";

impl Artifacts {
    /// Reads the variables that `cargo xtask test` sets.
    ///
    /// # Errors
    /// Names the missing variable and the command that sets it.
    pub fn from_env() -> Result<Artifacts, Error> {
        let read = |name: &str| {
            let missing = || Error::new(format!("missing {name}: run this with `cargo xtask`, which sets it"));
            std::env::var_os(name).ok_or_else(missing)
        };
        let path = |name: &str| read(name).map(PathBuf::from);
        let envoy = read(ENVOY)?;
        Ok(Artifacts {
            envoy: envoy.to_string_lossy().lines().map(OsString::from).collect(),
            envoy_config: path("BFF_TEST_ENVOY_CONFIG")?,
            filter: path("BFF_TEST_FILTER")?,
            bff_service: path("BFF_TEST_BFF_SERVICE")?,
            demo_api: path("BFF_TEST_DEMO_API")?,
            demo_web_host: path("BFF_TEST_DEMO_WEB_HOST")?,
            node: path("BFF_TEST_NODE")?,
            authorization_server: path("BFF_TEST_AUTHORIZATION_SERVER")?,
            spa: path("BFF_TEST_SPA")?,
            redis: std::env::var_os(REDIS).map(PathBuf::from),
        })
    }

    /// Whether the filter is the native module.
    pub fn is_native(&self) -> bool {
        self.filter.extension().is_some_and(|ending| ending == "so")
    }

    /// The variables that [`Artifacts::from_env`] reads.
    pub fn to_env(&self) -> Vec<(&'static str, OsString)> {
        let envoy = self.envoy.join(std::ffi::OsStr::new("\n"));
        let mut variables = vec![(ENVOY, envoy)];
        variables.extend(self.redis.iter().map(|path| (REDIS, path.as_os_str().to_owned())));
        variables.extend(self.paths().map(|(name, path)| (name, path.as_os_str().to_owned())));
        variables
    }

    fn paths(&self) -> [(&'static str, &Path); 8] {
        [
            ("BFF_TEST_ENVOY_CONFIG", &self.envoy_config),
            ("BFF_TEST_FILTER", &self.filter),
            ("BFF_TEST_BFF_SERVICE", &self.bff_service),
            ("BFF_TEST_DEMO_API", &self.demo_api),
            ("BFF_TEST_DEMO_WEB_HOST", &self.demo_web_host),
            ("BFF_TEST_NODE", &self.node),
            ("BFF_TEST_AUTHORIZATION_SERVER", &self.authorization_server),
            ("BFF_TEST_SPA", &self.spa),
        ]
    }
}
