//! Two applications with web domains of their own, `www` and `api` each, with one authorization server, one Envoy and one
//! service: each application has an instance of the filter.

use std::path::Path;

use demo_system::{Component, Options, System};

use crate::setup::{TestSystem, start};

/// An application.
pub struct Application {
    /// The name of the application, of its cookies, and of its resources in Envoy.
    pub name: &'static str,
    /// The domain of its hosts.
    pub domain: &'static str,
    /// The client's id at the authorization server.
    client_id: &'static str,
    /// The variable from which the filter reads its keys.
    keys_variable: &'static str,
}

/// The two applications.
pub const APPLICATIONS: [Application; 2] = [
    Application {
        name: "brand-a",
        domain: "brand-a.localhost",
        client_id: "spa-client",
        keys_variable: "BRAND_A_COOKIE_KEYS",
    },
    Application {
        name: "brand-b",
        domain: "brand-b.localhost",
        client_id: "brand-b-client",
        keys_variable: "BRAND_B_COOKIE_KEYS",
    },
];

/// Starts a system with the two applications. Only the host `login` is below the demo's domain.
pub fn start_applications() -> TestSystem {
    let test = start(|options| {
        let domains = APPLICATIONS.iter().map(|application| application.domain.to_owned());
        options.further_domains = domains.collect();
        let port = options.ports.public;
        std::fs::create_dir_all(&options.directory).expect("a folder");
        let secret = options.directory.join("brand-b-secret");
        std::fs::write(&secret, hex()).expect("written");
        let origin = |application: &Application| format!("https://www.{}:{port}", application.domain);
        let [a, b] = &APPLICATIONS;
        for (name, value) in [
            ("SPA_ORIGIN", origin(a)),
            ("SECOND_CLIENT_ID", b.client_id.to_owned()),
            ("SECOND_CLIENT_SECRET_FILE", secret.display().to_string()),
            ("SECOND_SPA_ORIGIN", origin(b)),
        ] {
            let name = name.to_owned();
            options.environment.push((Component::AuthorizationServer, name, value));
        }
        for application in &APPLICATIONS {
            let keys = hex();
            std::fs::write(keys_file(&options.directory, application), &keys).expect("written");
            options
                .environment
                .push((Component::Envoy, application.keys_variable.to_owned(), keys));
        }
    });
    let system = &test.system;
    system.stop(Component::Bff);
    system.stop(Component::Envoy);
    let envoy = system.directory().join("envoy.yaml");
    let text = std::fs::read_to_string(&envoy).expect("Envoy's configuration");
    std::fs::write(&envoy, envoy_config(&text, system.options())).expect("written");
    std::fs::write(system.directory().join("bff.toml"), bff_config(system)).expect("written");
    for component in [Component::Envoy, Component::Bff] {
        system.resume(component).unwrap_or_else(|error| panic!("{error}"));
    }
    test
}

fn hex() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn keys_file(directory: &Path, application: &Application) -> std::path::PathBuf {
    directory.join(format!("{}-keys", application.name))
}

fn bff_config(system: &System) -> String {
    let (directory, ports) = (system.directory(), &system.options().ports);
    let mut text = format!(
        "[server]
port = {}
admin_port = {}
[authorization_server]
issuer = '{}'
ca_file = '{}'
[client]
scope = 'openid profile email data'
",
        ports.bff,
        ports.bff_admin,
        system.login(),
        system.ca_pem().display()
    );
    let [_, second] = &APPLICATIONS;
    for application in &APPLICATIONS {
        let Application {
            name,
            domain,
            client_id,
            ..
        } = application;
        let page = format!("https://www.{domain}:{}", ports.public);
        let keys = keys_file(directory, application);
        // The first application's client is the demo's. The service has its secret in the environment.
        let secret = match *name == second.name {
            true => format!(
                "client.secret_file = '{}'\n",
                directory.join("brand-b-secret").display()
            ),
            false => String::new(),
        };
        text.push_str(&format!(
            "[applications.{name}]
hosts = ['api.{domain}']
cookie_name_prefix = '{name}'
trusted_web_origins = ['{page}']
keys.file = '{}'
client.id = '{client_id}'
{secret}client.redirect_uri = '{page}/'
client.post_logout_redirect_uri = '{page}/'
",
            keys.display()
        ));
    }
    text
}

/// The configuration of the demo's `www` and `api`, and of its filter for the entry point "web", once for each application.
fn envoy_config(text: &str, options: &Options) -> String {
    let hosts = between(
        text,
        "                    - name: api\n",
        "                    - name: login\n",
    );
    let filter = between(
        text,
        "                  - name: bff_filter_web\n",
        "                  # Entry point \"default\"",
    );
    let vm = between(filter, "&vm_config\n", "                        configuration:");
    let for_application = |part: &str, application: &Application| {
        let Application {
            name,
            domain,
            keys_variable,
            ..
        } = application;
        part.replace(&options.domain, domain)
            // Both applications use the same authorization server.
            .replace(
                &format!("https://login.{domain}"),
                &format!("https://login.{}", options.domain),
            )
            .replace("- name: www\n", &format!("- name: www-{name}\n"))
            .replace("- name: api\n", &format!("- name: api-{name}\n"))
            .replace("bff_filter_web", &format!("bff_filter_{name}"))
            .replace("x-example-csrf", &format!("x-{name}-csrf"))
            .replace(
                "\"cookie_name_prefix\": \"example\"",
                &format!("\"cookie_name_prefix\": \"{name}\""),
            )
            .replace("\"env\": \"BFF_COOKIE_KEYS\"", &format!("\"env\": \"{keys_variable}\""))
            .replace(
                "\"cluster\": \"bff_admin\"",
                &format!("\"cluster\": \"bff_admin\", \"path\": \"/ended-sessions/{name}\""),
            )
    };
    let [a, b] = &APPLICATIONS;
    let variables = format!("[{}, {}, GATEWAY", a.keys_variable, b.keys_variable);
    let first = filter.replace("[BFF_COOKIE_KEYS, GATEWAY", &variables);
    // One VM for all instances: the first one defines it.
    let second = filter.replace(vm, "*vm_config\n");
    let filters = format!("{}{}", for_application(&first, a), for_application(&second, b));
    text.replace(
        hosts,
        &format!("{}{}", for_application(hosts, a), for_application(hosts, b)),
    )
    .replace(filter, &filters)
}

/// The text from `from`, included, to `to`.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text
        .find(from)
        .unwrap_or_else(|| panic!("envoy/envoy.yaml has no `{from}`: change tests/src/applications.rs to what it has"));
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.find(to).unwrap_or_else(|| {
        panic!("envoy/envoy.yaml has no `{to}` after `{from}`: change tests/src/applications.rs to what it has")
    });
    rest.get(..end).unwrap_or_default()
}
