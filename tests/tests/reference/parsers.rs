//! The schemas reject what the parsers reject.

use std::collections::BTreeSet;

use bff_service::config::Settings;
use bff_service::config::fields::{FIELDS, Kind};
use bff_tests::reference::fields;
use bff_tests::repository;
use serde_json::{Value, json};

use crate::{filter_schema, service_schema, validator};

const KEY: &str = "8f3a1c5e7b9d02468ace13579bdf0246fedcba98765432100f1e2d3c4b5a6978";

/// A value of each type that JSON and TOML have in common.
fn one_of_each_type() -> [Value; 5] {
    [json!("text"), json!(7), json!(true), json!(["a"]), json!({"a": 1})]
}

/// Sets a value at a path.
fn put(instance: &mut Value, path: &str, value: Value) {
    let pointer = format!("/{}", path.replace('.', "/"));
    let (parent, name) = pointer.rsplit_once('/').expect("a slash");
    if instance.pointer(parent).is_none() {
        put(instance, &parent.trim_start_matches('/').replace('/', "."), json!({}));
    }
    instance.pointer_mut(parent).expect("a table")[name] = value;
}

/// Parses only the structure of the service's file.
fn read_by_the_service(instance: &Value) -> Result<Settings, String> {
    serde_json::from_value(instance.clone()).map_err(|error| error.to_string())
}

#[test]
fn the_service_s_parser_and_its_schema_refuse_the_same_types_and_unknown_fields() {
    let schema = service_schema();
    let service = validator(&schema);
    for (path, field) in fields(&schema).into_iter().filter(|(path, _)| path != "applications") {
        let kind = FIELDS.iter().find(|(name, _)| *name == path).expect("a field").1;
        let fits = |value: &Value| match kind {
            Kind::String => value.is_string(),
            Kind::Integer => value.is_number(),
            Kind::Boolean => value.is_boolean(),
            Kind::List => value.is_array(),
        };
        for value in one_of_each_type() {
            let mut instance = json!({});
            put(&mut instance, &path, value.clone());
            let table: toml::Table = serde_json::from_value(instance.clone()).expect("a table");
            let refused_by_parser = !bff_service::config::fields::check(&table).is_empty();
            assert_eq!(refused_by_parser, !fits(&value), "{path} = {value}");
            // A string that is not one of the choices, and a number that is out of bounds, is rejected for its value.
            let limited = value.as_i64().is_some_and(|number| {
                let bound = |name: &str| field.get(name).and_then(Value::as_f64);
                bound("minimum").is_some_and(|least| least > number as f64)
            });
            let open = !value.is_string() || field.get("type").is_some();
            if refused_by_parser || (open && !limited) {
                assert_eq!(service.is_valid(&instance), !refused_by_parser, "{path} = {value}");
            }
        }
    }
    let sections: BTreeSet<&str> = FIELDS
        .iter()
        .filter_map(|(path, _)| path.split_once('.'))
        .map(|(section, _)| section)
        .collect();
    for section in sections
        .into_iter()
        .map(|name| format!("{name}."))
        .chain([String::new()])
    {
        let mut instance = json!({});
        put(&mut instance, &format!("{section}colour"), json!("red"));
        assert!(!service.is_valid(&instance), "{instance}");
        assert!(read_by_the_service(&instance).is_err(), "{instance}");
    }
}

#[test]
fn an_application_has_the_fields_of_the_whole_but_for_those_of_the_service() {
    let service = validator(&service_schema());
    for (text, is_valid) in [
        (
            "[applications.brand-a]\nhosts = ['api.brand-a.com']\n[applications.brand-a.client]\nid = 'a'",
            true,
        ),
        (
            "[applications.brand-a.keys]\nfile = 'keys'\n[applications.brand-b.session]\nlogin_seconds = 60",
            true,
        ),
        ("[applications.brand-a]\ncolour = 1", false),
        ("[applications.brand-a]\ndemo = true", false),
        ("[applications.brand-a.server]\nport = 1", false),
        ("[applications.brand-a.session]\nlogin_seconds = 0", false),
        ("[applications.'A b']", false),
        ("[applications]", false),
        ("applications = 1", false),
        ("[applications.brand-a.applications.brand-b]", false),
    ] {
        let table: toml::Table = text.parse().expect("TOML");
        let instance = serde_json::to_value(table).expect("JSON");
        assert_eq!(service.is_valid(&instance), is_valid, "{text}");
        // The parser's errors about the structure have these forms. The file lacks many values.
        let error = bff_service::config::parse(text, |_| None).expect_err("too little");
        let structural = [
            "unknown field",
            "the whole service",
            "invalid name",
            "no table of an application",
            "out of range",
        ];
        assert_eq!(
            !structural.iter().any(|fault| error.to_string().contains(fault)),
            is_valid,
            "{text}: {error}"
        );
    }
}

/// A file that the service accepts.
fn valid_service() -> Value {
    let table: toml::Table = repository::text("bff-service/bff.example.toml").parse().expect("TOML");
    serde_json::to_value(table).expect("JSON")
}

/// The service's secrets, by the names of their environment variables.
pub(crate) fn secrets(name: &str) -> Option<String> {
    match name {
        "BFF_COOKIE_KEYS" => Some(KEY.to_owned()),
        "BFF_CLIENT_SECRET" => Some("a-secret".to_owned()),
        _ => None,
    }
}

fn faults_of_the_service(instance: &Value) -> Vec<String> {
    let table: toml::Table = serde_json::from_value(instance.clone()).expect("a table");
    match bff_service::config::parse(&table.to_string(), secrets) {
        Ok(_) => Vec::new(),
        Err(error) => error.errors().iter().map(|error| error.field().to_owned()).collect(),
    }
}

/// A plugin configuration that the filter accepts.
pub(crate) fn valid_filter() -> Value {
    json!({
        "bff_token": {
            "cookie_name_prefix": "example",
            "encryption_key": {"inline": KEY},
            "trusted_web_origins": ["https://www.example.com"],
            "ended_sessions": {"cluster": "bff_admin"},
        },
        "phantom_token": {
            "introspection_endpoint": "https://login.example.com/introspect",
            "cluster": "authorization_server",
            "client_id": "gateway",
            "client_secret": {"env": "SECRET"},
        },
    })
}

pub(crate) fn fault_of_the_filter(instance: &Value) -> Option<String> {
    let env = |name: &str| name.ends_with("SECRET").then(|| "a-secret".to_owned());
    let error = bff_core::gateway::config::Config::parse(instance.to_string().as_bytes(), env).err()?;
    Some(error.to_string())
}

#[test]
fn the_bounds_of_the_schemas_are_those_of_the_parsers() {
    let mut count = 0;
    let (of_service, of_filter) = (service_schema(), filter_schema());
    assert_eq!(faults_of_the_service(&valid_service()), [""; 0]);
    assert_eq!(fault_of_the_filter(&valid_filter()), None);
    for (name, schema) in [("service", &of_service), ("filter", &of_filter)] {
        let validator = validator(schema);
        for (path, field) in fields(schema) {
            let bound = |name: &str| field.get(name).and_then(Value::as_f64).map(|number| number as i64);
            let (Some(least), Some(most)) = (bound("minimum"), bound("maximum")) else {
                let numeric = field.get("type").is_some_and(|one| one == "integer");
                assert!(!numeric, "{path} has no bounds");
                continue;
            };
            for (value, is_valid) in [(least, true), (most, true), (least - 1, false), (most + 1, false)] {
                let (mut instance, refused) = match name {
                    "service" => (valid_service(), faults_of_the_service as fn(&Value) -> Vec<String>),
                    _ => (
                        valid_filter(),
                        (|instance: &Value| fault_of_the_filter(instance).into_iter().collect()) as _,
                    ),
                };
                put(&mut instance, &path, json!(value));
                assert_eq!(validator.is_valid(&instance), is_valid, "{path} = {value}");
                let faults = refused(&instance);
                assert_eq!(faults.is_empty(), is_valid, "{path} = {value}: {faults:?}");
                count += 1;
            }
        }
    }
    assert!(count > 80, "only {count} values were tried");
}

#[test]
fn the_filter_s_parser_and_its_schema_refuse_the_same() {
    let schema = filter_schema();
    let validator = validator(&schema);
    for (path, field) in fields(&schema) {
        for value in one_of_each_type().into_iter().chain([Value::Null]) {
            let mut instance = valid_filter();
            put(&mut instance, &path, value.clone());
            // A string that must be a URL, an origin, a header or a choice is rejected for its content.
            let open = !value.is_string()
                || field.get("type").is_some() && !path.ends_with("_endpoint") && !path.ends_with("path");
            let refused = fault_of_the_filter(&instance);
            let only_between_fields = [
                "phantom_token.issuer: has no effect",
                "bff_token.require_header: has no effect",
                "invalid origin",
            ];
            let structural = refused
                .as_ref()
                .filter(|fault| !only_between_fields.iter().any(|other| fault.contains(other)));
            if open && !(path == "bff_token.trusted_web_origins" && value.is_array()) {
                assert_eq!(
                    validator.is_valid(&instance),
                    structural.is_none(),
                    "{path} = {value}: {refused:?}"
                );
            }
        }
        let mut without = valid_filter();
        let pointer = format!("/{}", path.replace('.', "/"));
        let (parent, name) = pointer.rsplit_once('/').expect("a slash");
        let removed = without
            .pointer_mut(parent)
            .and_then(Value::as_object_mut)
            .and_then(|section| section.remove(name));
        if removed.is_some() {
            assert!(
                fault_of_the_filter(&without).is_some() && !validator.is_valid(&without),
                "without {path}"
            );
        }
    }
    for path in [
        "colour",
        "bff_token.colour",
        "bff_token.ended_sessions.colour",
        "phantom_token.colour",
        "bff_token.encryption_key",
    ] {
        let mut instance = valid_filter();
        put(&mut instance, path, json!({"colour": "red"}));
        assert!(fault_of_the_filter(&instance).is_some(), "{path}");
        assert!(!validator.is_valid(&instance), "{path}");
    }
    for nothing in [json!({}), json!([]), json!({"bff_token": null})] {
        assert!(
            fault_of_the_filter(&nothing).is_some() && !validator.is_valid(&nothing),
            "{nothing}"
        );
    }
}

/// The blocks of a page in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let (start, end) = (page.split(fence.as_str()).skip(1), "\n```");
    start.filter_map(|rest| rest.split(end).next()).collect()
}

#[test]
fn what_published_configurations_become_on_the_migration_pages_is_accepted_by_service_and_filter() {
    for page in [
        "envoy-oauth2",
        "envoy-gateway-oidc",
        "oauth2-proxy",
        "curity-token-handler",
    ] {
        let text = repository::text(&format!("docs/migration/{page}.md"));
        assert!(text.contains("\n## When to migrate\n"), "{page}");
        let (service, filter) = (blocks(&text, "toml"), blocks(&text, "json"));
        assert_eq!((service.len(), filter.len()), (1, 1), "{page}");
        let table: toml::Table = service[0]
            .parse()
            .unwrap_or_else(|error| panic!("parsing the TOML of {page} failed: {error}"));
        let instance = serde_json::to_value(table).expect("JSON");
        assert_eq!(faults_of_the_service(&instance), [""; 0], "{page}");
        let env = |name: &str| match name {
            "BFF_COOKIE_KEYS" => Some(KEY.to_owned()),
            "GATEWAY_CLIENT_SECRET" => Some("a-secret".to_owned()),
            _ => None,
        };
        let parsed = bff_core::gateway::config::Config::parse(filter[0].as_bytes(), env);
        assert_eq!(parsed.err().map(|error| error.to_string()), None, "{page}");
    }
}
