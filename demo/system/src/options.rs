//! What differs from one system to another.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::component::Component;
use crate::error::Error;
use crate::ports::Ports;

/// The choices at the start of a system.
#[derive(Clone, Debug)]
pub struct Options {
    /// The parent domain of `www`, `api`, `login` and `mtls`. Default `example.localhost`.
    pub domain: String,
    /// Domains of further applications, each with `www` and `api`: the servers' certificate covers them. Default: empty.
    pub further_domains: Vec<String>,
    /// The ports of all listeners.
    pub ports: Ports,
    /// A second origin that serves a single page application, such as `http://localhost:5173`: trusted like the demo's
    /// own, and the target of redirects after signing in and out. Default: none.
    pub web_origin: Option<String>,
    /// Whether the service and the business API are on the page's own origin, as `/bff` and `/api`. Default false: they are on
    /// `api`.
    pub one_origin: bool,
    /// Holds certificates, secrets, rendered configuration, the database and `logs/`. Reused if it exists.
    pub directory: PathBuf,
    /// Components that are not started. Default: the second replica of the service, and Redis, which only replicas need.
    pub without: Vec<Component>,
    /// Whether Envoy sends all requests of a session to the same replica of the service. Default true.
    pub session_affinity: bool,
    /// Lifetime of access tokens, in seconds. Default 300.
    pub access_token_seconds: u32,
    /// Lifetime of refresh tokens, in seconds. Default 12 hours.
    pub refresh_token_seconds: u32,
    /// `INTROSPECTION_RESPONSE` of the authorization server. Default `jwt`.
    pub introspection_response: String,
    /// The address that Envoy dials instead of the authorization server, for sign-in and for introspection, such as that
    /// of a proxy that misbehaves. `ports` tells such a proxy before the start where to forward to.
    pub dial_authorization_server: Option<SocketAddr>,
    /// The address that Envoy dials instead of the business API.
    pub dial_api: Option<SocketAddr>,
    /// The filter's `phantom_token.timeout_ms`. Default 2000.
    pub filter_timeout_ms: u32,
    /// The address to which Envoy and the service send spans, by OTLP over HTTP. Default: none.
    pub otel_collector: Option<SocketAddr>,
    /// Further replacements of texts in `envoy/envoy.yaml`. Each text must occur once.
    pub envoy_changes: Vec<(String, String)>,
    /// The BFF's `authorization_server.request_timeout_ms`. Default 5000.
    pub bff_request_timeout_ms: u32,
    /// Whether Envoy can be replaced while it runs ([`crate::System::replace_envoy`]). Default false.
    pub envoy_hot_restart: bool,
    /// Worker threads of Envoy. Default: one for each core.
    pub envoy_concurrency: Option<u32>,
    /// Additional environment variables of single components, such as `BFF_SESSION__LOGIN_SECONDS`.
    pub environment: Vec<(Component, String, String)>,
    /// Aborts the start as soon as this is true.
    pub interrupted: Arc<AtomicBool>,
}

impl Options {
    /// The demo: well-known ports and the default domain.
    pub fn demo(directory: impl Into<PathBuf>) -> Options {
        Options {
            domain: "example.localhost".to_owned(),
            further_domains: Vec::new(),
            ports: Ports::DEMO,
            web_origin: None,
            one_origin: false,
            directory: directory.into(),
            without: vec![Component::SecondBff, Component::Redis],
            session_affinity: true,
            access_token_seconds: 300,
            refresh_token_seconds: 12 * 3600,
            introspection_response: "jwt".to_owned(),
            dial_authorization_server: None,
            dial_api: None,
            filter_timeout_ms: 2000,
            otel_collector: None,
            envoy_changes: Vec::new(),
            bff_request_timeout_ms: 5000,
            envoy_hot_restart: false,
            envoy_concurrency: None,
            environment: Vec::new(),
            interrupted: Arc::default(),
        }
    }

    /// The demo as the environment configures it: `BFF_DEMO_DIRECTORY`, `BFF_DEMO_DOMAIN`, `BFF_DEMO_PORT`, `BFF_DEMO_PORTS`
    /// and `BFF_DEMO_ONE_ORIGIN`.
    ///
    /// # Errors
    /// Names the variable and says what to write.
    pub fn demo_from_env(directory: impl Into<PathBuf>) -> Result<Options, Error> {
        Options::demo_from(variable, directory.into())
    }

    fn demo_from(variable: impl Fn(&str) -> Option<String>, directory: PathBuf) -> Result<Options, Error> {
        let mut options = Options::demo(variable("BFF_DEMO_DIRECTORY").map_or(directory, PathBuf::from));
        if let Some(domain) = variable("BFF_DEMO_DOMAIN") {
            options.domain = domain;
        }
        if let Some(first) = variable("BFF_DEMO_PORTS") {
            let ports = first.parse().ok().and_then(Ports::starting_at);
            options.ports = ports.ok_or_else(|| {
                Error::new(format!(
                    "invalid BFF_DEMO_PORTS: write the first of {} consecutive ports, a number from 1 to {}",
                    Ports::COUNT_BEHIND_ENVOY,
                    u16::MAX - Ports::COUNT_BEHIND_ENVOY + 1
                ))
            })?;
        }
        if let Some(port) = variable("BFF_DEMO_PORT") {
            let port = port.parse().ok().filter(|port| *port != 0);
            options.ports.public =
                port.ok_or_else(|| Error::new("invalid BFF_DEMO_PORT: write a number from 1 to 65535"))?;
        }
        options.one_origin = match variable("BFF_DEMO_ONE_ORIGIN").as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => return Err(Error::new("invalid BFF_DEMO_ONE_ORIGIN: write 1 or 0")),
        };
        Ok(options)
    }

    /// The demo at free ports, with two worker threads in Envoy: the fewest that show differences between workers. Timeouts
    /// are long, so that a busy machine does not reach them. A test of a timeout sets its own.
    pub fn for_tests(directory: impl Into<PathBuf>) -> Options {
        Options {
            ports: Ports::free(),
            envoy_concurrency: Some(2),
            filter_timeout_ms: 8000,
            bff_request_timeout_ms: 8000,
            environment: [Component::Bff, Component::SecondBff]
                .map(|replica| (replica, "BFF_REDIS__TIMEOUT_MS".to_owned(), "5000".to_owned()))
                .into(),
            ..Options::demo(directory)
        }
    }

    /// Whether this component is started.
    pub fn has(&self, component: Component) -> bool {
        !self.without.contains(&component)
    }

    /// The origin of one of the hosts: `www`, `api`, `login` or `mtls`.
    pub fn origin(&self, host: &str) -> String {
        match (&self.domain, self.ports.public) {
            // The default port is left out, as in browsers.
            (domain, 443) => format!("https://{host}.{domain}"),
            (domain, port) => format!("https://{host}.{domain}:{port}"),
        }
    }

    /// The origin of the service (`/bff`) and of the business API (`/api`).
    pub fn api_origin(&self) -> String {
        self.origin(if self.one_origin { "www" } else { "api" })
    }

    /// The origin to which the browser returns after signing in and out.
    pub(crate) fn page_origin(&self) -> String {
        self.web_origin.clone().unwrap_or_else(|| self.origin("www"))
    }

    /// The origins whose pages may call the BFF and the API.
    pub(crate) fn trusted_web_origins(&self) -> Vec<String> {
        std::iter::once(self.origin("www"))
            .chain(self.web_origin.clone())
            .collect()
    }

    /// Whether a system can start with these options. [`crate::System::start`] calls this before it starts anything.
    ///
    /// # Errors
    /// An invalid domain or origin, host names that do not resolve to this machine, or a port that is in use or configured
    /// twice.
    pub fn check(&self) -> Result<(), Error> {
        check_domain(&self.domain)?;
        self.web_origin.as_deref().map_or(Ok(()), check_origin)?;
        check_names(&self.domain, resolve)?;
        self.ports.check(&self.without)
    }
}

pub(crate) fn check_domain(domain: &str) -> Result<(), Error> {
    let is_label = |label: &str| {
        let inside = label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        inside && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    match domain.len() <= 200 && domain.split('.').all(is_label) {
        true => Ok(()),
        false => Err(Error::new(format!(
            "invalid domain `{domain}`: write labels of lower-case letters, digits and hyphens, separated by dots, such as \
             example.localhost"
        ))),
    }
}

/// The origin becomes part of configuration files, so it must not contain anything that ends a string there.
fn check_origin(origin: &str) -> Result<(), Error> {
    let rest = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    let is_host_port =
        |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    match rest.is_some_and(is_host_port) {
        true => Ok(()),
        false => Err(Error::new(format!(
            "invalid origin `{origin}`: write scheme://host[:port] without a path, such as http://localhost:5173"
        ))),
    }
}

/// The names must resolve to Envoy. Those below `localhost` do so in every browser, and in the service (RFC 6761,
/// section 6.3). Any other domain must resolve on this machine.
fn check_names(domain: &str, resolve: impl Fn(&str) -> Vec<IpAddr>) -> Result<(), Error> {
    if domain == "localhost" || domain.ends_with(".localhost") {
        return Ok(());
    }
    let names = ["www", "api", "login", "mtls"].map(|host| format!("{host}.{domain}"));
    match names
        .iter()
        .find(|name| !resolve(name).contains(&Ipv4Addr::LOCALHOST.into()))
    {
        None => Ok(()),
        Some(name) => Err(Error::new(format!(
            "the name {name} does not resolve to 127.0.0.1: add this line to /etc/hosts:\n    127.0.0.1 {}",
            names.join(" ")
        ))),
    }
}

fn resolve(name: &str) -> Vec<IpAddr> {
    let addresses = (name, 0).to_socket_addrs().into_iter().flatten();
    addresses.map(|address| address.ip()).collect()
}

/// An environment variable that is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_told_with_the_line_for_etc_hosts() {
        let here = |_: &str| vec![IpAddr::from([127, 0, 0, 1])];
        let nowhere = |_: &str| Vec::new();
        let login_elsewhere = |name: &str| match name {
            "login.example.com" => vec![IpAddr::from([192, 0, 2, 1])],
            _ => here(name),
        };
        assert!(check_names("example.com", here).is_ok());
        assert!(check_names("example.localhost", nowhere).is_ok());
        let message = check_names("example.com", login_elsewhere)
            .expect_err("elsewhere")
            .to_string();
        assert!(
            message.contains("the name login.example.com does not resolve"),
            "{message}"
        );
        assert!(
            message.ends_with("127.0.0.1 www.example.com api.example.com login.example.com mtls.example.com"),
            "{message}"
        );
    }

    #[test]
    fn an_origin_has_no_path_and_nothing_that_ends_a_text() {
        for valid in ["http://localhost:5173", "https://[::1]:8443", "https://dev.example.com"] {
            assert!(check_origin(valid).is_ok(), "{valid}");
        }
        for invalid in ["localhost:5173", "http://", "http://localhost:5173/", "http://a\",\"b"] {
            let message = check_origin(invalid).expect_err("no origin").to_string();
            assert!(
                message.contains(invalid) && message.contains("http://localhost:5173"),
                "{message}"
            );
        }
    }

    #[test]
    fn the_environment_moves_every_port_the_folder_and_the_api() {
        let from = |variables: &[(&str, &str)]| {
            let find = |name: &str| {
                variables
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            Options::demo_from(find, "target/demo".into())
        };
        let usual = from(&[]).expect("the defaults");
        assert_eq!((usual.ports, usual.one_origin), (Ports::DEMO, false));
        assert_eq!(usual.api_origin(), "https://api.example.localhost:8443");
        let moved = from(&[
            ("BFF_DEMO_PORTS", "4001"),
            ("BFF_DEMO_PORT", "9443"),
            ("BFF_DEMO_DIRECTORY", "/elsewhere"),
            ("BFF_DEMO_ONE_ORIGIN", "1"),
        ])
        .expect("another demo");
        assert_eq!(
            (moved.ports.public, moved.ports.web_host, moved.ports.redis),
            (9443, 4001, 4009)
        );
        assert_eq!(moved.directory, PathBuf::from("/elsewhere"));
        assert_eq!(moved.api_origin(), "https://www.example.localhost:9443");
        for (name, value) in [
            ("BFF_DEMO_PORT", "0"),
            ("BFF_DEMO_PORTS", "65530"),
            ("BFF_DEMO_PORTS", "many"),
            ("BFF_DEMO_ONE_ORIGIN", "yes"),
        ] {
            let message = from(&[(name, value)]).expect_err(value).to_string();
            assert!(message.starts_with(&format!("invalid {name}: write")), "{message}");
        }
    }

    #[test]
    fn a_domain_is_host_name_labels() {
        for valid in ["example.localhost", "localhost", "a-1.example.com"] {
            assert!(check_domain(valid).is_ok(), "{valid}");
        }
        for wrong in [
            "",
            ".example",
            "Example.com",
            "a..b",
            "-a.b",
            "a b",
            "a\"b",
            "a:8443",
            "a/b",
        ] {
            assert!(check_domain(wrong).is_err(), "{wrong}");
        }
    }
}
