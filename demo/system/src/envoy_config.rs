//! Envoy's configuration for this system: `envoy/envoy.yaml` with other names, ports and paths.
//!
//! That file works unchanged with the demo's defaults, so it has no placeholders. Each replaced text must occur in
//! it as often as expected: otherwise the start fails with an error instead of a system that is configured wrongly.

use std::net::SocketAddr;
use std::path::Path;

use crate::certificates::Certificates;
use crate::component::Component;
use crate::error::Error;
use crate::options::Options;

/// A text in the file, its replacement, and how often it occurs (`None`: at least once).
struct Replacement {
    find: String,
    with: String,
    count: Option<usize>,
}

fn once(find: &str, with: String) -> Replacement {
    Replacement {
        find: find.to_owned(),
        with,
        count: Some(1),
    }
}

fn everywhere(find: &str, with: String) -> Replacement {
    Replacement {
        find: find.to_owned(),
        with,
        count: None,
    }
}

/// `template` for this system.
///
/// # Errors
/// Names the text that is missing from `template`, or the path that cannot be written in YAML.
pub(crate) fn render(
    template: &str,
    options: &Options,
    certificates: &Certificates,
    filter: &Path,
) -> Result<String, Error> {
    let Options { domain, ports, .. } = options;
    let loopback = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let authorization_server = options.dial_authorization_server;
    let authorization_server = authorization_server.unwrap_or(loopback(ports.authorization_server));
    let api = options.dial_api.unwrap_or(loopback(ports.api));
    // More than one endpoint if there are two replicas of the service.
    let replicas = |first: u16, second: u16| match options.has(Component::SecondBff) {
        true => format!(
            "{}\n{FURTHER_ENDPOINT}{}",
            endpoint(loopback(first)),
            endpoint(loopback(second))
        ),
        false => endpoint(loopback(first)),
    };
    let balancing = if options.session_affinity {
        "RING_HASH"
    } else {
        "ROUND_ROBIN"
    };
    let replacements = vec![
        once("lb_policy: RING_HASH", format!("lb_policy: {balancing}")),
        everywhere("https://www.example.localhost:8443", options.origin("www")),
        everywhere("https://login.example.localhost:8443", options.origin("login")),
        everywhere(".example.localhost:8443", format!(".{domain}:{}", ports.public)),
        everywhere(".example.localhost", format!(".{domain}")),
        once(&endpoint(loopback(8443)), endpoint(loopback(ports.public))),
        once(&endpoint(loopback(9901)), endpoint(loopback(ports.envoy_admin))),
        once(&endpoint(loopback(3001)), endpoint(loopback(ports.web_host))),
        once(&endpoint(loopback(3002)), endpoint(api)),
        once(
            &endpoint(loopback(3003)),
            match options.has(Component::SecondBff) {
                true => format!(
                    "{}\n{FURTHER_LINE}{}\n{FURTHER_ENDPOINT}{}",
                    endpoint(loopback(ports.bff)),
                    health_check(ports.bff_admin),
                    endpoint(loopback(ports.second_bff))
                ),
                false => endpoint(loopback(ports.bff)),
            },
        ),
        once(
            &health_check(3005),
            health_check(match options.has(Component::SecondBff) {
                true => ports.second_bff_admin,
                false => ports.bff_admin,
            }),
        ),
        once(
            &endpoint(loopback(3005)),
            replicas(ports.bff_admin, ports.second_bff_admin),
        ),
        // The host of the authorization server, and introspection.
        everywhere(&endpoint(loopback(3004)), endpoint(authorization_server)),
        once("target/demo/server.pem", yaml_path(&certificates.server)?),
        once("target/demo/server.key", yaml_path(&certificates.server_key)?),
        once("target/demo/ca.pem", yaml_path(&certificates.ca)?),
        once("target/wasm/bff_filter.wasm", yaml_path(filter)?),
        once(
            "\"timeout_ms\": 2000",
            format!("\"timeout_ms\": {}", options.filter_timeout_ms),
        ),
    ];
    // Only the filter needs the origin: a page of that origin reaches the API through its own server, without CORS.
    let further = options.web_origin.iter().map(|_| {
        let origins = options.trusted_web_origins().join("\", \"");
        let find = "\"trusted_web_origins\": [\"https://www.example.localhost:8443\"]";
        everywhere(find, format!("\"trusted_web_origins\": [\"{origins}\"]"))
    });
    let one_origin = match options.one_origin {
        true => one_origin(options),
        false => Vec::new(),
    };
    let changes = options
        .envoy_changes
        .iter()
        .map(|(find, with)| once(find, with.clone()));
    let mut replacements: Vec<_> = replacements
        .into_iter()
        .chain(further)
        .chain(one_origin)
        .chain(changes)
        .collect();
    let Some(collector) = options.otel_collector else {
        return replace(template, &replacements);
    };
    let without_mark = |line: &str| line.strip_prefix(OTEL_MARK).unwrap_or(line).to_owned() + "\n";
    replacements.push(once("127.0.0.1:4318", collector.to_string()));
    replacements.push(once(&endpoint(loopback(4318)), endpoint(collector)));
    replace(&template.lines().map(without_mark).collect::<String>(), &replacements)
}

/// Makes `changes`, in one pass. What is replaced must occur once.
///
/// # Errors
/// Names a text that does not.
pub(crate) fn replace_once(text: &str, changes: &[(String, String)]) -> Result<String, Error> {
    let changes: Vec<_> = changes.iter().map(|(find, with)| once(find, with.clone())).collect();
    replace(text, &changes)
}

/// Puts the routes of the host `api` before those of `www`, on `www`.
fn one_origin(Options { domain, ports, .. }: &Options) -> Vec<Replacement> {
    let domains = |host: &str, domain: &str, port: u16| {
        format!("                      domains: [\"{host}.{domain}\", \"{host}.{domain}:{port}\"]\n")
    };
    let usual = |host: &str| domains(host, "example.localhost", 8443);
    let begin = |host: &str| format!("                    - name: {host}\n");
    let routes = "                      routes:\n";
    vec![
        once(
            &format!("{}{}", begin("api"), usual("api")),
            format!("{}{}", begin("www"), domains("www", domain, ports.public)),
        ),
        once(&format!("{}{}{routes}", begin("www"), usual("www")), String::new()),
    ]
}

/// The prefix of the lines that switch tracing on.
const OTEL_MARK: &str = "#otel ";

/// The text between two endpoints of a cluster in the file.
const FURTHER_ENDPOINT: &str = "              - endpoint:
                  address:
                    socket_address: ";

/// The text before the next line of an endpoint.
const FURTHER_LINE: &str = "                  ";

/// The readiness check of a replica of the service, as the file writes it.
fn health_check(port: u16) -> String {
    format!("health_check_config: {{ port_value: {port} }}")
}

/// An address as the file writes it.
fn endpoint(address: SocketAddr) -> String {
    format!("{{ address: {}, port_value: {} }}", address.ip(), address.port())
}

/// A path as the file writes it, between double quotes.
fn yaml_path(path: &Path) -> Result<String, Error> {
    match path.to_str() {
        Some(text) if !text.chars().any(|c| c.is_control() || c == '"' || c == '\\') => Ok(text.to_owned()),
        _ => Err(Error::new(format!(
            "invalid path {}: use a folder whose path has no quotes, backslashes or control characters",
            path.display()
        ))),
    }
}

/// All in one pass, so that no replacement is replaced again. If two begin alike, the longer one comes first.
fn replace(template: &str, replacements: &[Replacement]) -> Result<String, Error> {
    let mut order: Vec<usize> = (0..replacements.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(replacements[index].find.len()));
    let mut counts = vec![0; replacements.len()];
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(next) = rest.chars().next() {
        let found = order.iter().find(|&&index| rest.starts_with(&replacements[index].find));
        let length = match found {
            Some(&index) => {
                counts[index] += 1;
                text.push_str(&replacements[index].with);
                replacements[index].find.len()
            }
            None => {
                text.push(next);
                next.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    for (Replacement { find, count, .. }, found) in replacements.iter().zip(counts) {
        if found == 0 || count.is_some_and(|count| count != found) {
            let expected = count.map_or_else(|| "at least once".to_owned(), |count| format!("{count} time(s)"));
            return Err(Error::new(format!(
                "invalid envoy/envoy.yaml: it must contain `{find}` {expected}, but has it {found} time(s): restore this \
                 text, which the demo replaces with its own names, ports and paths"
            )));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../../../envoy/envoy.yaml");

    fn certificates() -> Certificates {
        Certificates {
            ca: "target/demo/ca.pem".into(),
            server: "target/demo/server.pem".into(),
            server_key: "target/demo/server.key".into(),
            client: "target/demo/partner.pem".into(),
            client_key: "target/demo/partner.key".into(),
        }
    }

    #[test]
    fn the_defaults_are_the_file_as_it_is() {
        let filter = Path::new("target/wasm/bff_filter.wasm");
        let rendered = render(TEMPLATE, &Options::demo("target/demo"), &certificates(), filter);
        assert_eq!(rendered.expect("rendered"), TEMPLATE);
    }

    #[test]
    fn another_system_has_nothing_of_the_defaults() {
        const DEFAULT_PORTS: [&str; 6] = ["8443", "3001", "3002", "3003", "3005", "9901"];
        let mut options = Options::for_tests("target/tests/x");
        options.domain = "other.test".to_owned();
        options.ports.web_host = 3004;
        let rendered = render(TEMPLATE, &options, &certificates(), Path::new("/x.wasm")).expect("rendered");
        let code: Vec<&str> = rendered
            .lines()
            .map(|line| line.split('#').next().unwrap_or(""))
            .collect();
        for default in ["example.localhost", "target/wasm"] {
            assert!(!code.iter().any(|line| line.contains(default)), "{default}");
        }
        // The ports of the tests may contain the digits of a default one.
        let numbers = |line: &str| {
            line.split(|of: char| !of.is_ascii_digit())
                .any(|number| DEFAULT_PORTS.contains(&number))
        };
        let with_default = code.iter().find(|line| numbers(line));
        assert_eq!(with_default, None);
        // A new value is not taken for another default.
        assert!(rendered.contains("{ address: 127.0.0.1, port_value: 3004 }"));
    }

    #[test]
    fn with_one_origin_the_page_is_at_every_path_that_the_service_and_the_api_do_not_have() {
        let mut options = Options::demo("target/demo");
        options.one_origin = true;
        options.domain = "other.test".to_owned();
        let rendered = render(TEMPLATE, &options, &certificates(), Path::new("x.wasm")).expect("rendered");
        let count = |text: &str| rendered.matches(text).count();
        assert_eq!(count(r#"domains: ["www.other.test", "www.other.test:8443"]"#), 1);
        assert_eq!(
            (count("- name: www\n"), count("- name: api\n"), count("api.other.test")),
            (1, 0, 0)
        );
        let host = rendered
            .split("- name: www\n")
            .nth(1)
            .and_then(|rest| rest.split("- name: login\n").next());
        let routes = host.expect("the host").split("- match: {").skip(1);
        let paths: Vec<&str> = routes.filter_map(|route| route.split(" }").next()).collect();
        let page = [" prefix: /"];
        assert_eq!(&paths[paths.len() - 1..], page);
        assert!(paths.contains(&" path_separated_prefix: /bff") && paths.contains(&" path_separated_prefix: /api"));
    }

    #[test]
    fn the_standard_port_is_not_written_in_origins() {
        let mut options = Options::demo("target/demo");
        options.ports.public = 443;
        let rendered = render(TEMPLATE, &options, &certificates(), Path::new("x.wasm")).expect("rendered");
        assert!(rendered.contains(r#""trusted_web_origins": ["https://www.example.localhost"]"#));
        assert!(rendered.contains(r#"domains: ["www.example.localhost", "www.example.localhost:443"]"#));
    }

    #[test]
    fn a_further_web_origin_is_trusted_besides() {
        let mut options = Options::demo("target/demo");
        options.web_origin = Some("http://localhost:5173".to_owned());
        let rendered = render(TEMPLATE, &options, &certificates(), Path::new("x.wasm")).expect("rendered");
        let trusted = r#""trusted_web_origins": ["https://www.example.localhost:8443", "http://localhost:5173"]"#;
        assert!(rendered.contains(trusted));
    }

    #[test]
    fn a_text_that_is_missing_is_named() {
        let changed = TEMPLATE.replace("port_value: 3003", "port_value: 4003");
        let filter = Path::new("x.wasm");
        let error = render(&changed, &Options::demo("target/demo"), &certificates(), filter).expect_err("missing");
        assert!(error.to_string().contains("port_value: 3003"), "{error}");
    }

    #[test]
    fn a_path_that_would_end_the_quotes_is_refused() {
        let error = render(
            TEMPLATE,
            &Options::demo("target/demo"),
            &certificates(),
            Path::new("a\" b"),
        );
        assert!(error.is_err());
    }
}
