//! The same system in containers (`docker-compose.yml`): one container writes the files of the others, then exits.
//!
//! Names resolve to containers instead of loopback, and the service has two or more replicas. Each program that needs files
//! gets a folder with them, which is a volume of its own.

use std::path::Path;

use crate::certificates::Certificates;
use crate::component::Component;
use crate::envoy_config;
use crate::error::Error;
use crate::options::Options;
use crate::secrets::Secrets;
use crate::{bff_config, files};

/// `envoy/envoy.yaml`, the template of Envoy's configuration.
const TEMPLATE: &str = include_str!("../../../envoy/envoy.yaml");
/// The path of the filter's module in the image.
const FILTER: &str = "/etc/envoy/bff_filter.wasm";
/// The path at which a program finds its folder.
const MOUNTED: &str = "/run";

/// Writes the files below `directory`: `state` holds all secrets and certificates, `public` the CA's certificate, and a folder
/// for each program that needs files those of the program. Secrets of an earlier start are kept, as are certificates that are
/// still valid.
///
/// # Errors
/// An invalid domain or port, or a file that cannot be read or written.
pub fn prepare(directory: &Path, domain: &str, port: u16, redis: bool) -> Result<(), Error> {
    let state = directory.join("state");
    let options = options(&state, domain, port, redis);
    crate::options::check_domain(domain)?;
    if port == 443 {
        // Browsers leave port 443 out of an origin, while docker-compose.yml writes it.
        return Err(Error::new(
            "invalid BFF_DEMO_PORT: 443 does not work in containers: write another port",
        ));
    }
    files::create_dir(&state)?;
    let secrets = Secrets::prepare(&state)?;
    let certificates = Certificates::prepare(&state, domain, &[])?;

    files::create_dir(&directory.join("public"))?;
    files::write(&directory.join("public/ca.pem"), &files::read(&certificates.ca)?)?;

    let envoy = Folder::new(directory, "envoy")?;
    for (name, path) in [("ca.pem", &certificates.ca), ("server.pem", &certificates.server)] {
        envoy.copy(name, path)?;
    }
    envoy.copy("server.key", &certificates.server_key)?;
    envoy.write("envoy.yaml", &envoy_yaml(&options)?)?;
    envoy.write("envoy.env", &secrets.envoy_file()?)?;

    let bff = Folder::new(directory, "bff")?;
    bff.copy("ca.pem", &certificates.ca)?;
    bff.copy("cookie-keys", &secrets.cookie_keys)?;
    bff.copy("client-secret", &secrets.client_secret)?;
    let ca = Path::new(MOUNTED).join("bff/ca.pem");
    bff.write("bff.toml", &bff_config::bff_toml(&options, &ca, "redis"))?;

    let authorization_server = Folder::new(directory, "authorization-server")?;
    authorization_server.copy("client-secret", &secrets.client_secret)?;
    authorization_server.copy("gateway-client-secret", &secrets.gateway_client_secret)
}

fn options(state: &Path, domain: &str, port: u16, redis: bool) -> Options {
    let mut options = Options::demo(state);
    options.domain = domain.to_owned();
    options.ports.public = port;
    if redis {
        options.without.retain(|component| *component != Component::Redis);
    }
    options
}

/// A program's folder. Beside `setup`, only the containers of that program mount it. Only their owner may read its files.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(directory: &Path, name: &str) -> Result<Folder, Error> {
        let folder = directory.join(name);
        files::create_dir(&folder)?;
        Ok(Folder(folder))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        files::write_secret(&self.0.join(name), text)
    }

    fn copy(&self, name: &str, from: &Path) -> Result<(), Error> {
        self.write(name, &files::read(from)?)
    }
}

/// Envoy's configuration with the names and folders of the containers.
fn envoy_yaml(options: &Options) -> Result<String, Error> {
    let mounted = |name: &str| Path::new(MOUNTED).join("envoy").join(name);
    let certificates = Certificates {
        ca: mounted("ca.pem"),
        server: mounted("server.pem"),
        server_key: mounted("server.key"),
        // Unused by Envoy.
        client: mounted("partner.pem"),
        client_key: mounted("partner.key"),
    };
    let text = envoy_config::render(TEMPLATE, options, &certificates, Path::new(FILTER))?;
    let ports = &options.ports;
    let on_loopback = |port: u16| format!("{{ address: 127.0.0.1, port_value: {port} }}");
    let at = |host: &str, port: u16| format!("{{ address: {host}, port_value: {port} }}");
    let changes = [
        (on_loopback(ports.public), at("0.0.0.0", ports.public)),
        (on_loopback(ports.web_host), at("web-host", ports.web_host)),
        (on_loopback(ports.api), at("api", ports.api)),
        // The name resolves to an address for each replica.
        (on_loopback(ports.bff), at("bff", ports.bff)),
        (on_loopback(ports.bff_admin), at("bff", ports.bff_admin)),
    ];
    let text = envoy_config::replace_once(&text, &changes)?;
    // The host of the authorization server, and introspection.
    let text = text.replace(
        &on_loopback(ports.authorization_server),
        &at("authorization-server", ports.authorization_server),
    );
    // The address of every cluster is now a host name.
    Ok(text.replace(
        "\n      connect_timeout: 2s\n",
        &format!("\n      connect_timeout: 2s\n{BY_NAME}"),
    ))
}

/// Resolves the name again at intervals, since replicas come and go.
const BY_NAME: &str = "      cluster_type:
        name: envoy.clusters.dns
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster
          dns_lookup_family: V4_ONLY
          dns_refresh_rate: 1s
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_envoy_is_a_container_and_only_its_admin_interface_is_on_loopback() {
        let text = envoy_yaml(&options(Path::new("state"), "example.localhost", 8502, false)).expect("rendered");
        let code: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .collect();
        let loopback: Vec<&&str> = code.iter().filter(|line| line.contains("127.0.0.1")).collect();
        assert_eq!(loopback.len(), 1, "{loopback:?}");
        assert!(loopback[0].contains("9901"), "{loopback:?}");
        let count = |text: &str| code.iter().filter(|line| line.contains(text)).count();
        assert_eq!(
            count("load_assignment:"),
            count("v3.DnsCluster"),
            "every cluster is a name"
        );
        assert_eq!((count("retry_policy:"), count("health_checks:")), (1, 1));
    }

    #[test]
    fn a_service_has_what_is_its_own_and_nothing_else_and_it_stays_over_starts() {
        let directory = tempfile::tempdir().expect("a folder");
        let names = |folder: &str| {
            let entries = std::fs::read_dir(directory.path().join(folder)).expect("a folder");
            let mut names: Vec<_> = entries
                .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
                .collect();
            names.sort();
            names
        };
        let read = |path: &str| files::read(&directory.path().join(path)).expect("read");
        prepare(directory.path(), "example.localhost", 8443, true).expect("made");
        assert_eq!(names("public"), ["ca.pem"]);
        assert_eq!(
            names("envoy"),
            ["ca.pem", "envoy.env", "envoy.yaml", "server.key", "server.pem"]
        );
        assert_eq!(names("bff"), ["bff.toml", "ca.pem", "client-secret", "cookie-keys"]);
        assert_eq!(
            names("authorization-server"),
            ["client-secret", "gateway-client-secret"]
        );
        assert!(read("bff/bff.toml").contains("url = \"redis://redis:6379\""));
        assert!(read("envoy/envoy.env").contains(read("bff/cookie-keys").trim()));

        let (keys, certificate) = (read("bff/cookie-keys"), read("envoy/server.pem"));
        prepare(directory.path(), "example.localhost", 8443, false).expect("found");
        assert_eq!((keys, certificate), (read("bff/cookie-keys"), read("envoy/server.pem")));
        assert!(!read("bff/bff.toml").contains("[redis]"));
    }

    #[test]
    fn what_cannot_work_is_refused_in_a_sentence() {
        let directory = tempfile::tempdir().expect("a folder");
        for (domain, port, expected) in [
            ("Wrong Domain", 8443, "invalid domain"),
            ("a.localhost", 443, "BFF_DEMO_PORT"),
        ] {
            let error = prepare(directory.path(), domain, port, false).expect_err("refused");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
