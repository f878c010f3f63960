//! Cookie keys and the client secret from Envoy's secret discovery, with the native module: they are replaced while Envoy
//! serves requests, without a new configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_core::crypto::key_ring::KeyRing;
use bff_core::encoding::hex;
use bff_tests::echoing_api::{EchoingApi, values};
use bff_tests::http1::{Client, Request};
use bff_tests::mounted_volume::MountedVolume;
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, eventually, filter_statistic, start_envoy};
use bff_tests::user_agent::AT;
use demo_system::Component;
use serde_json::{Value, json};

/// Connections at once: so many that every worker gets some.
const CONNECTIONS: usize = 16;
const KEYS: &str = "cookie-keys";
const CLIENT_SECRET: &str = "client-secret";

fn new_key() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("random bytes");
    hex::encode(&bytes)
}

/// The xDS document of a secret, of which Envoy wants one for each; `None`: it has not arrived. `value`: Envoy's `DataSource`.
fn document(name: &str, value: Option<&Value>) -> String {
    let secret = |value: &Value| {
        json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": name,
            "generic_secret": {"secret": value},
        })
    };
    json!({"resources": Vec::from_iter(value.map(secret))}).to_string()
}

/// A file, and how it changes.
enum Place {
    /// Another one is moved into its place.
    Renamed(PathBuf),
    /// It is in a mounted volume, under this name.
    Mounted(MountedVolume, &'static str),
}

impl Place {
    fn new(folder: PathBuf, name: &'static str, is_mounted: bool, content: &str) -> Self {
        if is_mounted {
            return Self::Mounted(MountedVolume::new(folder, name, content), name);
        }
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(name), content).expect("written");
        Self::Renamed(folder.join(name))
    }

    fn write(&mut self, content: &str) {
        match self {
            Place::Renamed(path) => {
                let new = path.with_extension("new");
                fs::write(&new, content).expect("written");
                fs::rename(&new, path).expect("moved");
            }
            Place::Mounted(volume, name) => volume.write(name, content),
        }
    }

    /// The members of Envoy's `PathConfigSource` or `DataSource` for the file, whose name is in this member.
    fn source(&self, member: &str) -> Value {
        match self {
            Place::Renamed(path) => json!({member: path}),
            Place::Mounted(volume, name) => {
                let path = volume.path(name);
                json!({member: path, "watched_directory": {"path": path.parent().expect("a folder")}})
            }
        }
    }
}

struct Secret {
    name: &'static str,
    place: Place,
}

impl Secret {
    fn new(folder: &Path, name: &'static str, is_mounted: bool, value: Option<&str>) -> Self {
        let value = value.map(|value| json!({"inline_string": value}));
        let document = document(name, value.as_ref());
        let place = Place::new(folder.join(name), name, is_mounted, &document);
        Self { name, place }
    }

    fn write(&mut self, value: &str) {
        self.write_source(&json!({"inline_string": value}));
    }

    /// Writes where the value is, as Envoy's `DataSource`.
    fn write_source(&mut self, source: &Value) {
        self.place.write(&document(self.name, Some(source)));
    }

    /// The value of a field of the filter's configuration.
    fn field(&self) -> String {
        let sds_config = json!({
            "resource_api_version": "V3",
            "path_config_source": self.place.source("path"),
            "initial_fetch_timeout": "1s",
        });
        json!({"sds": {"name": self.name, "sds_config": sds_config}}).to_string()
    }
}

struct Secrets {
    keys: Secret,
    client_secret: Secret,
}

struct Gateway {
    test: TestSystem,
    introspection: ScriptedIntrospection,
    sessions: AtomicUsize,
}

impl Gateway {
    /// Starts Envoy with these secrets of the filter.
    fn start(is_mounted: bool, keys: &str, client_secret: Option<&str>) -> (Self, Secrets) {
        let (introspection, address) =
            ScriptedIntrospection::start(|token, _| Scripted::Active(json!({"sub": token, "exp": 4_000_000_000_u64})));
        let (_, api) = EchoingApi::start();
        let test = start_envoy(address, api, |options| options.envoy_concurrency = Some(2));
        let folder = test.system.directory().join("discovered");
        let secrets = Secrets {
            keys: Secret::new(&folder, KEYS, is_mounted, Some(keys)),
            client_secret: Secret::new(&folder, CLIENT_SECRET, is_mounted, client_secret),
        };
        let bootstrap = test.system.directory().join("envoy.yaml");
        let text = fs::read_to_string(&bootstrap).expect("Envoy's configuration");
        let changed = text
            .replace("{\"env\": \"BFF_COOKIE_KEYS\"}", &secrets.keys.field())
            .replace("{\"env\": \"GATEWAY_CLIENT_SECRET\"}", &secrets.client_secret.field());
        assert_ne!(text, changed);
        test.system.stop(Component::Envoy);
        // Whoever discovers something must have a name.
        fs::write(&bootstrap, format!("node: {{ id: test, cluster: test }}\n{changed}")).expect("written");
        test.system.resume(Component::Envoy).expect("Envoy starts");
        let gateway = Self {
            test,
            introspection,
            sessions: AtomicUsize::new(0),
        };
        (gateway, secrets)
    }

    /// A request of a session of its own, whose cookie is sealed with this key.
    fn request(&self, key: &str) -> Request {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        let token = format!("token-{number}");
        let sealed = Seals::with(key, "example").seal(Purpose::AccessToken, &token, SessionId([1; 32]), 300);
        Request::new("GET", "/api/data").header("cookie", format!("{AT}={sealed}"))
    }

    fn status(&self, request: &Request) -> u16 {
        Client::new(&self.test.system)
            .send("api", request)
            .expect("a response")
            .status
    }

    /// The statuses of a request on many connections.
    fn statuses(&self, request: &Request) -> Vec<u16> {
        (0..CONNECTIONS).map(|_| self.status(request)).collect()
    }

    /// The client secret of the last introspection.
    fn last_client_secret(&self) -> String {
        let head = self.introspection.last_head();
        let [value] = values(&head, "authorization").try_into().expect("one header");
        let encoded = value.strip_prefix(b"Basic ").expect("Basic");
        let decoded = String::from_utf8(STANDARD.decode(encoded).expect("base64")).expect("text");
        decoded.split_once(':').expect("a password").1.to_owned()
    }

    /// Waits until each worker answers a request with this status, and asserts that all of them continue to do so.
    fn wait_for(&self, request: &Request, status: u16) {
        eventually("each worker has the secrets", || {
            self.statuses(request).iter().all(|found| *found == status)
        });
        assert_eq!(self.statuses(request), [status; CONNECTIONS]);
    }
}

fn keys_and_client_secret_rotate_under_load(is_mounted: bool) {
    let (old, new, newest) = (new_key(), new_key(), new_key());
    let (gateway, mut secrets) = Gateway::start(is_mounted, &old, Some("first-secret"));
    gateway.wait_for(&gateway.request(&old), 200);
    for (previous, next, client_secret) in [(&old, &new, "second-secret"), (&new, &newest, "third-secret")] {
        let cookie_of_previous = gateway.request(previous);
        let cookie_of_next = gateway.request(next);
        // Users who are signed in notice nothing while the new key comes, and the client secret with it.
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            let load = scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    assert_eq!(gateway.status(&cookie_of_previous), 200);
                    assert_eq!(gateway.status(&gateway.request(previous)), 200);
                }
            });
            secrets.keys.write(&format!("{next},{previous}"));
            secrets.client_secret.write(client_secret);
            gateway.wait_for(&cookie_of_next, 200);
            eventually("the filter introspects with the new client secret", || {
                assert_eq!(gateway.status(&gateway.request(next)), 200);
                gateway.last_client_secret() == client_secret
            });
            ended.store(true, Ordering::Relaxed);
            load.join().expect("no panic");
        });

        // Without the previous key, its cookies are refused, although they were opened before.
        secrets.keys.write(next);
        gateway.wait_for(&cookie_of_previous, 401);
        gateway.wait_for(&cookie_of_next, 200);
        assert_eq!(gateway.last_client_secret(), client_secret);
        eventually("cookies of the new key are counted", || {
            let (_, text) = demo_system::get(gateway.test.system.envoy_admin(), "/stats/prometheus").expect("metrics");
            let fingerprint = KeyRing::parse(next, false)
                .expect("a key")
                .0
                .key_ids()
                .next()
                .expect("one key");
            text.contains(&format!("bff_filter_cookies_opened_by{{key=\"{fingerprint}\"}}"))
        });
    }
    assert_eq!(filter_statistic(&gateway.test.system, "secrets_rejected"), 0);
    // None of the values is where an operator looks.
    let system = &gateway.test.system;
    let (_, dump) = demo_system::get(system.envoy_admin(), "/config_dump").expect("Envoy's admin");
    let log = fs::read_to_string(system.log(Component::Envoy)).expect("Envoy's log");
    for secret in [&old, &new, &newest, "first-secret", "second-secret", "third-secret"] {
        assert!(!dump.contains(secret) && !log.contains(secret));
    }
    assert!(dump.contains(KEYS), "the dump has the name");
}

#[test]
fn keys_and_client_secret_in_renamed_files_rotate_twice_under_load_and_no_removed_key_opens_a_cookie() {
    keys_and_client_secret_rotate_under_load(false);
}

#[test]
fn keys_and_client_secret_in_mounted_volumes_rotate_twice_under_load_and_no_removed_key_opens_a_cookie() {
    keys_and_client_secret_rotate_under_load(true);
}

#[test]
fn a_value_that_is_invalid_leaves_the_previous_one_in_force_and_is_counted_and_told_without_its_content() {
    let key = new_key();
    let (gateway, mut secrets) = Gateway::start(true, &key, Some("a-client-secret"));
    let request = gateway.request(&key);
    gateway.wait_for(&request, 200);
    secrets.keys.write("not-a-key-of-anybody");
    eventually("the value is rejected", || {
        assert_eq!(gateway.status(&request), 200);
        filter_statistic(&gateway.test.system, "secrets_rejected") > 0
    });
    assert_eq!(gateway.statuses(&request), [200; CONNECTIONS]);
    let log = fs::read_to_string(gateway.test.system.log(Component::Envoy)).expect("Envoy's log");
    assert!(log.contains(
        "a discovered secret is invalid, so the previous one, if there is one, stays in use: bff_token.encryption_key"
    ));
    assert!(!log.contains("not-a-key-of-anybody"));
    // A valid one is taken again.
    let next = new_key();
    secrets.keys.write(&next);
    gateway.wait_for(&gateway.request(&next), 200);
}

/// The form in which a mounted Kubernetes Secret has a value: a file of its own, which the document names.
#[test]
fn a_value_in_a_file_of_its_own_is_replaced_when_the_file_is_and_may_end_with_a_line_break() {
    for is_mounted in [false, true] {
        let (old, new) = (new_key(), new_key());
        let (gateway, mut secrets) = Gateway::start(true, &new_key(), Some("a-client-secret"));
        let folder = gateway.test.system.directory().join("values");
        let mut value = Place::new(folder, "value", is_mounted, &format!("{old}\n"));
        secrets.keys.write_source(&value.source("filename"));
        gateway.wait_for(&gateway.request(&old), 200);
        value.write(&format!("{new}\n"));
        gateway.wait_for(&gateway.request(&new), 200);
        gateway.wait_for(&gateway.request(&old), 401);
    }
}

#[test]
fn an_invalid_value_keeps_no_other_one_from_coming_into_force() {
    let key = new_key();
    let (gateway, mut secrets) = Gateway::start(true, &key, Some("a-client-secret"));
    let request = gateway.request(&key);
    gateway.wait_for(&request, 200);
    // An empty client secret is no client secret.
    secrets.client_secret.write("");
    eventually("the value is rejected", || {
        assert_eq!(gateway.status(&request), 200);
        filter_statistic(&gateway.test.system, "secrets_rejected") > 0
    });
    let next = new_key();
    secrets.keys.write(&next);
    gateway.wait_for(&gateway.request(&next), 200);
    gateway.wait_for(&request, 401);
    assert_eq!(gateway.last_client_secret(), "a-client-secret");
}

#[test]
fn until_a_secret_has_arrived_requests_are_answered_with_503() {
    let key = new_key();
    let (gateway, mut secrets) = Gateway::start(true, &key, None);
    let request = gateway.request(&key);
    assert_eq!(gateway.statuses(&request), [503; CONNECTIONS]);
    let counted = u64::try_from(CONNECTIONS).expect("a few");
    assert_eq!(filter_statistic(&gateway.test.system, "requests_refused_503"), counted);
    secrets.client_secret.write("a-client-secret");
    gateway.wait_for(&request, 200);
}
