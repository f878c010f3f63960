//! The service under test: the real one, with all its workers, on free loopback ports.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bff_service::application;
use bff_service::config;
use bff_service::server::{self, Listeners};

use super::authorization_server::{CLIENT_ID, FakeAuthorizationServer};
use super::browser::Browser;
use super::http::{Request, Response};
use super::log_capture;

pub const PREFIX: &str = "/bff";
pub const WEB_ORIGIN: &str = "https://www.example.test";
pub const REDIRECT_URI: &str = "https://www.example.test/";
pub const POST_LOGOUT_REDIRECT_URI: &str = "https://www.example.test/signed-out";

/// Two keys: the first seals.
pub const KEYS: &str = "8f3a1c5e7b9d02468ace13579bdf0246fedcba98765432100f1e2d3c4b5a6978,\
                        1d2c3b4a5968778695a4b3c2d1e0f0f1e2d3c4b5a69788796a5b4c3d2e1f0011";

pub const AT: &str = "__Host-Http-example-at";
pub const CSRF: &str = "__Host-Http-example-csrf";
pub const LOGIN: &str = "__Host-Http-example-login";
pub const NAV: &str = "__Host-Http-example-nav";
pub const AUTH: &str = "__Http-example-auth";
pub const ID: &str = "__Http-example-id";
pub const BOUND: &str = "__Host-example-bound";
pub const KEY: &str = "__Http-example-key";

/// A running service and its authorization server.
pub struct TestApp {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub authorization_server: FakeAuthorizationServer,
    /// The files that the service reloads.
    pub configuration: Arc<Mutex<String>>,
}

/// How a test's service differs from the ordinary one.
#[derive(Default)]
pub struct Setup<'a> {
    /// Lines at the top of the configuration.
    pub top: &'a str,
    /// Lines in `[server]`.
    pub server: &'a str,
    /// Lines in `[session]`.
    pub session: &'a str,
    /// Lines in `[authorization_server]`.
    pub authorization_server: &'a str,
    /// Lines in `[client]`.
    pub client: &'a str,
    /// Further sections.
    pub more: &'a str,
    /// Keys to come after [`KEYS`], each with a comma in front.
    pub more_keys: &'a str,
}

impl TestApp {
    pub fn start() -> TestApp {
        TestApp::start_with(Setup::default())
    }

    pub fn start_with(setup: Setup<'_>) -> TestApp {
        TestApp::start_against(FakeAuthorizationServer::start(), setup)
    }

    /// Another replica in front of an authorization server that runs already.
    pub fn start_against(authorization_server: FakeAuthorizationServer, setup: Setup<'_>) -> TestApp {
        let config = configuration(&authorization_server, &setup);
        TestApp::start_configured(authorization_server, &config)
    }

    /// With this configuration.
    pub fn start_configured(authorization_server: FakeAuthorizationServer, config: &str) -> TestApp {
        log_capture::install();
        // The first test installs it; the others find it in place.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let configs = config::parse(config, |_| None).unwrap_or_else(|error| panic!("{error}"));
        let listeners = Listeners {
            api: TcpListener::bind("127.0.0.1:0").unwrap(),
            admin: TcpListener::bind("127.0.0.1:0").unwrap(),
        };
        let (address, admin) = (
            listeners.api.local_addr().unwrap(),
            listeners.admin.local_addr().unwrap(),
        );
        let configuration = Arc::new(Mutex::new(config.to_owned()));
        let file = Arc::clone(&configuration);
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let applications = application::build_all(configs).unwrap();
                let reread = move || config::parse(&file.lock().unwrap(), |_| None);
                server::run(applications, listeners, Arc::new(reread)).await.unwrap();
            });
        });
        let app = TestApp {
            address,
            admin,
            authorization_server,
            configuration,
        };
        app.wait_until_listening();
        app
    }

    fn wait_until_listening(&self) {
        wait_until("the service listens", || {
            std::net::TcpStream::connect(self.address).is_ok()
        });
    }

    /// A browser with no cookies.
    pub fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// A browser in which alice is signed in.
    pub fn signed_in(&self) -> Browser<'_> {
        self.browser().sign_in_as("alice")
    }

    pub fn admin(&self, path: &str) -> Response {
        Request::new("GET", path).send(self.admin)
    }

    /// The value of a metric.
    pub fn metric(&self, series: &str) -> u64 {
        let metrics = self.admin("/metrics").body;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |count| count.parse().unwrap())
    }
}

/// The configuration of a test.
pub fn configuration(authorization_server: &FakeAuthorizationServer, setup: &Setup<'_>) -> String {
    let issuer = authorization_server.issuer();
    let Setup {
        top,
        server,
        session,
        client,
        more_keys,
        more,
        authorization_server: server_lines,
    } = setup;
    format!(
        "demo = true
        trusted_web_origins = ['{WEB_ORIGIN}', 'https://second.example.test:8443']
        {top}
        [server]
        workers = 2
        {server}
        [authorization_server]
        issuer = '{issuer}'
        connect_timeout_ms = 3000
        request_timeout_ms = 3000
        {server_lines}
        [client]
        id = '{CLIENT_ID}'
        secret = 'the client secret of the tests'
        redirect_uri = '{REDIRECT_URI}'
        post_logout_redirect_uri = '{POST_LOGOUT_REDIRECT_URI}'
        scope = 'openid profile'
        {client}
        [session]
        {session}
        [keys]
        ring = '{KEYS}{more_keys}'
        {more}
        "
    )
}

/// Waits for a condition, and fails after a timeout.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
