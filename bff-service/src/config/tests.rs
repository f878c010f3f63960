use super::environment_variables::variable;
use super::fields::{FIELDS, Kind};
use super::*;

mod rules;
mod secrets;
pub(crate) mod two_applications;

const EXAMPLE: &str = include_str!("../../bff.example.toml");
const KEY: &str = "8f0f3f7c0e5d4b6a9c2e1d3b5a7f9e8d6c4b2a1f0e9d8c7b6a5f4e3d2c1b0a98";

fn environment(name: &str) -> Option<String> {
    match name {
        "BFF_COOKIE_KEYS" => Some(KEY.to_owned()),
        "BFF_CLIENT_SECRET" => Some("s3cret".to_owned()),
        _ => None,
    }
}

/// The example with a line added at its top, or in the section named before the colon (`client: scope = "…"`).
fn with(line: &str) -> Result<Config, ConfigError> {
    Config::parse(&text_with(line), environment)
}

fn text_with(line: &str) -> String {
    let (section, line) = match line.split_once(": ") {
        Some((section, line)) if !section.contains([' ', '"']) => (Some(section), line),
        _ => (None, line),
    };
    let name = line.split(" =").next().unwrap();
    let mut text: String = EXAMPLE
        .lines()
        .filter(|l| !l.starts_with(&format!("{name} =")))
        .map(|l| format!("{l}\n"))
        .collect();
    match section {
        Some(section) => text = text.replace(&format!("\n[{section}]\n"), &format!("\n[{section}]\n{line}\n")),
        None => text.insert_str(0, &format!("{line}\n")),
    }
    text
}

fn fields(result: Result<Config, ConfigError>) -> Vec<String> {
    result
        .expect_err("an error")
        .errors()
        .iter()
        .map(|error| error.field().to_owned())
        .collect()
}

#[test]
fn the_example_is_valid_and_its_commented_lines_show_the_defaults() {
    let config = Config::parse(EXAMPLE, environment).unwrap();
    assert_eq!(config.warnings(), &[] as &[String]);
    let no_default = |line: &str| {
        let optional = [
            "cookie_domain",
            "hosts",
            "workers",
            "max_lifetime_seconds",
            "max_idle_seconds",
            "authentication",
            "signing_key_files",
            "signing_algorithm",
            "pushed_authorization_requests",
            "signed_request_objects",
            "redirect_uri",
            "web_origin",
            "url",
            "method_header",
        ];
        let name = line.split(" = ").next().unwrap();
        optional.contains(&name) || ["_endpoint", "jwks_uri", "file"].iter().any(|end| name.ends_with(end))
    };
    let uncommented: String = EXAMPLE
        .lines()
        .map(
            |line| match line.strip_prefix("# ").filter(|line| line.contains(" = ")) {
                Some(field) if !no_default(field) => format!("{field}\n"),
                _ => format!("{line}\n"),
            },
        )
        .collect();
    assert!(uncommented.contains("\nport = 3003\n"));
    let written = Config::parse(&uncommented, environment).unwrap();
    assert_eq!(format!("{written:?}"), format!("{config:?}"));
}

#[test]
fn the_example_names_every_field_but_the_inline_secrets() {
    for (path, _) in FIELDS
        .iter()
        .filter(|(path, _)| !matches!(*path, "client.secret" | "keys.ring" | "admin.token"))
    {
        let name = path.rsplit('.').next().unwrap();
        let named = EXAMPLE
            .lines()
            .any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} = ")));
        assert!(named, "{path}");
    }
}

#[test]
fn every_field_of_the_table_is_a_field_of_the_settings() {
    for (path, kind) in FIELDS.iter() {
        let value = match (*path, *kind) {
            ("cookie_hardening", _) => "\"none\"",
            ("cookie_paths", _) => "\"root\"",
            ("userinfo_source", _) => "\"userinfo_endpoint\"",
            ("client.authentication", _) => "\"client_secret_post\"",
            ("client.assertion_audience", _) => "\"token_endpoint\"",
            ("client.response_mode", _) => "\"jwt\"",
            ("session.device_binding", _) => "\"where_supported\"",
            (_, Kind::String) => "\"x\"",
            (_, Kind::Integer) => "1",
            (_, Kind::Boolean) => "true",
            (_, Kind::List) => "[\"x\"]",
        };
        let text = match path.split_once('.') {
            Some((section, field)) => format!("[{section}]\n{field} = {value}"),
            None => format!("{path} = {value}"),
        };
        let read: Result<Settings, _> = toml::from_str(&text);
        assert!(read.is_ok(), "{path}: {}", read.unwrap_err());
    }
}

#[test]
fn an_unknown_field_is_refused_with_the_nearest_name() {
    let error = with("client: redirect_url = \"https://www.example.com/\"")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("client.redirect_url: ") && error.contains("did you mean `client.redirect_uri`?"),
        "{error}"
    );
    let error = with("issuer = \"https://login.example.com\"").unwrap_err().to_string();
    assert!(error.contains("did you mean `authorization_server.issuer`?"), "{error}");
}

#[test]
fn a_value_of_the_wrong_type_says_which_type_is_right() {
    let error = with("server: port = \"3003\"").unwrap_err().to_string();
    assert_eq!(error, "server.port: invalid value: write a non-negative integer");
    assert_eq!(
        fields(with("trusted_web_origins = \"https://www.example.com\"")),
        ["trusted_web_origins"]
    );
    assert_eq!(fields(with("cookie_hardening = \"strong\"")), ["cookie_hardening"]);
    assert_eq!(fields(with("server: port = 70000")), ["server.port"]);
}

#[test]
fn all_faults_are_listed() {
    let text = EXAMPLE
        .replace("https://login", "http://login")
        .replace("openid profile", "profile");
    let env = |name: &str| environment(name).filter(|_| name == "BFF_CLIENT_SECRET");
    let found = fields(Config::parse(&text, env));
    assert_eq!(found, ["keys.ring", "authorization_server.issuer", "client.scope"]);
}

#[test]
fn an_empty_file_says_what_is_required() {
    let found = fields(Config::parse("", |_| None));
    for field in [
        "client.secret",
        "keys.ring",
        "authorization_server.issuer",
        "client.id",
        "trusted_web_origins",
    ] {
        assert!(found.iter().any(|found| found == field), "{field} is not in {found:?}");
    }
}

#[test]
fn a_variable_overrides_its_field() {
    let env = |name: &str| match name {
        "BFF_SERVER__PORT" => Some("4000".to_owned()),
        "BFF_TRUSTED_WEB_ORIGINS" => Some("https://www.example.com, https://b.example.com".to_owned()),
        "BFF_CLIENT__SEND_ID_TOKEN_HINT" => Some("true".to_owned()),
        "BFF_AUTHORIZATION_SERVER__ISSUER" => Some("https://other.example.com".to_owned()),
        name => environment(name),
    };
    let config = Config::parse(EXAMPLE, env).unwrap();
    assert_eq!(config.server.port, 4000);
    assert_eq!(
        config.trusted_origins().iter().collect::<Vec<_>>(),
        ["https://www.example.com", "https://b.example.com"]
    );
    assert!(config.client.send_id_token_hint);
    assert_eq!(config.authorization_server.issuer, "https://other.example.com");
}

#[test]
fn a_variable_that_makes_no_sense_is_named() {
    let env = |name: &str| {
        if name == "BFF_SERVER__PORT" {
            Some("many".to_owned())
        } else {
            environment(name)
        }
    };
    let error = Config::parse(EXAMPLE, env).unwrap_err().to_string();
    assert_eq!(
        error,
        "server.port: invalid value of the environment variable BFF_SERVER__PORT: write an integer"
    );
}

#[test]
fn the_rule_for_variables_never_meets_the_variables_of_the_secrets() {
    let own = [
        "BFF_CLIENT_SECRET",
        "BFF_CLIENT_SECRET_FILE",
        "BFF_COOKIE_KEYS",
        "BFF_COOKIE_KEYS_FILE",
    ];
    for name in FIELDS.iter().filter_map(|(path, _)| variable(path)) {
        assert!(!own.contains(&name.as_str()), "{name}");
    }
}
