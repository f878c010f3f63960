//! Starts a system for a test file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use demo_system::{Artifacts, Component, Options, System};
use tempfile::TempDir;

/// A running system and its folder.
pub struct TestSystem {
    /// The system.
    pub system: System,
    // Dropped after the system.
    _directory: TempDir,
}

/// A failed test prints the end of the logs of its authorization server, of its service and of Envoy.
impl Drop for TestSystem {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for component in [
            Component::AuthorizationServer,
            Component::Bff,
            Component::SecondBff,
            Component::Envoy,
        ] {
            if let Ok(log) = std::fs::read_to_string(self.system.log(component)) {
                let lines: Vec<&str> = log.lines().collect();
                let end = lines
                    .get(lines.len().saturating_sub(40)..)
                    .unwrap_or_default()
                    .join("\n");
                eprintln!("---- the end of the log of {component}\n{end}");
            }
        }
    }
}

/// Starts a system at free ports, in a folder of its own. `change` changes the default options.
pub fn start(change: impl FnOnce(&mut Options)) -> TestSystem {
    start_from(artifacts(), change)
}

/// The programs that `cargo xtask test` has built.
pub fn artifacts() -> Artifacts {
    Artifacts::from_env().unwrap_or_else(|error| panic!("{error}"))
}

/// The native module, which `cargo xtask test` has built.
pub fn native_module() -> PathBuf {
    let path = std::env::var_os("NATIVE_MODULE");
    path.expect("missing NATIVE_MODULE: run the tests with `cargo xtask test`")
        .into()
}

/// Like [`start`], with other programs.
pub fn start_from(artifacts: Artifacts, change: impl FnOnce(&mut Options)) -> TestSystem {
    let directory = tempfile::Builder::new()
        .prefix("system-")
        .tempdir_in(folder())
        .expect("a temporary folder");
    let mut options = Options::for_tests(directory.path());
    change(&mut options);
    // Without it, the authorization server makes a database of its own, which takes longer.
    if let Some(database) = std::env::var_os("AUTHORIZATION_SERVER_DATABASE")
        && !options.without.contains(&Component::AuthorizationServer)
    {
        std::fs::copy(database, directory.path().join("authorization-server.sqlite")).expect("the database");
    }
    let system = System::start(&artifacts, options).unwrap_or_else(|error| panic!("{error}"));
    TestSystem {
        system,
        _directory: directory,
    }
}

/// Starts only Envoy, with replacements of the authorization server and the API: for cookies that the test seals.
pub fn start_envoy(authorization_server: SocketAddr, api: SocketAddr, change: impl FnOnce(&mut Options)) -> TestSystem {
    start(|options| {
        options.without = Component::ALL
            .into_iter()
            .filter(|part| *part != Component::Envoy)
            .collect();
        options.dial_authorization_server = Some(authorization_server);
        options.dial_api = Some(api);
        change(options);
    })
}

/// Changes the configuration of a running system's Envoy, and restarts Envoy.
pub fn rewrite_envoy(system: &System, change: impl FnOnce(&mut serde_json::Value)) {
    let file = system.directory().join("envoy.yaml");
    let text = std::fs::read_to_string(&file).expect("the configuration");
    let mut configuration = serde_saphyr::from_str(&text).expect("YAML");
    change(&mut configuration);
    system.stop(Component::Envoy);
    // JSON is YAML.
    std::fs::write(&file, configuration.to_string()).expect("written");
    system.resume(Component::Envoy).expect("Envoy starts");
}

/// Changes the settings of a filter in Envoy's configuration: JSON in a string, in either form of the filter.
pub fn change_settings(filter: &mut serde_json::Value, change: impl FnOnce(&mut serde_json::Value)) {
    const PLACES: [&str; 2] = [
        "/typed_config/config/configuration/value",
        "/typed_config/filter_config/value",
    ];
    let place = PLACES.into_iter().find(|place| filter.pointer(place).is_some());
    let text = filter
        .pointer_mut(place.expect("the filter's settings"))
        .expect("found");
    let mut settings = serde_json::from_str(text.as_str().expect("a string")).expect("JSON");
    change(&mut settings);
    *text = settings.to_string().into();
}

/// One of Envoy's counters or gauges; 0 if it has none of that name.
pub fn statistic(system: &System, name: &str) -> u64 {
    let (_, text) = demo_system::get(
        system.envoy_admin(),
        &format!("/stats?filter=^{}$", name.replace('.', "\\.")),
    )
    .expect("Envoy's admin");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok());
    value.unwrap_or(0)
}

/// A statistic of the filter, by its name without `bff_filter_`; 0 if there is none yet.
pub fn filter_statistic(system: &System, name: &str) -> u64 {
    filter_statistic_of(system, artifacts().is_native(), name)
}

/// The same of a system whose filter need not be the one that the tests run with.
pub fn filter_statistic_of(system: &System, is_native: bool, name: &str) -> u64 {
    // The first part of the names of Envoy's statistics that a filter of this form has defined.
    let namespace = match is_native {
        true => "dynamicmodulescustom",
        false => "wasmcustom",
    };
    statistic(system, &format!("{namespace}.bff_filter_{name}"))
}

/// Envoy's statistics of wasm VMs and their failures: if they do not change, no VM has failed. The native module has none.
pub fn vm_statistics(system: &System) -> Vec<String> {
    let (_, text) = demo_system::get(system.envoy_admin(), "/stats?filter=^wasm\\.").expect("Envoy's admin");
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert!(
        artifacts().is_native()
            || lines
                .iter()
                .any(|line| line.starts_with("wasm.envoy.wasm.runtime.v8.created: ")),
        "Envoy has no statistics of a wasm VM: {lines:?}"
    );
    lines
}

/// A component's memory in KiB (its resident set).
pub fn resident_kib(system: &System, component: Component) -> u64 {
    let pid = system.pid(component).expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("a number")
}

/// Beside the tests' programs, in the target folder: a system that tests share is never dropped, so its folder, with
/// its keys, stays until the next `cargo clean`.
fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("the test's own program");
    let folder = program.parent().expect("a folder").join("systems");
    std::fs::create_dir_all(&folder).expect("a folder for the systems");
    folder
}

/// Waits until a condition holds. If it does not hold within thirty seconds, fails with `what`.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !condition() {
        assert!(std::time::Instant::now() < end, "waiting timed out after 30 s: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Creates a user `seconduser` with the demo user's password: the authorization server has no page for that.
pub fn add_second_user(system: &System) {
    add_users(system, &["seconduser"]);
}

/// Adds these users, each with a `sub` of their own. The password is the demo user's.
pub fn add_users(system: &System, names: &[&str]) {
    let script = "
        import { createClient } from '@libsql/client';
        const database = createClient({ url: 'file:' + process.env.DATABASE_FILE });
        for (const name of process.env.NAMES.split(',')) {
            await database.execute({ args: { name, sub: `${name}-sub`, mail: `${name}@example.com` }, sql:
                `INSERT INTO account SELECT :sub, :name, password_hash, 'Second', 'User', :mail FROM account LIMIT 1` });
        }";
    let artifacts = Artifacts::from_env().expect("the artifacts");
    let status = Command::new(&artifacts.node)
        .args(["--input-type=module", "--eval", script])
        .current_dir(&artifacts.authorization_server)
        .env("DATABASE_FILE", system.directory().join("authorization-server.sqlite"))
        .env("NAMES", names.join(","))
        .status()
        .expect("Node.js starts");
    assert!(status.success(), "creating users failed: see the output above");
}
