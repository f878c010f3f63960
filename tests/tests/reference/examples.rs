//! The schemas accept the examples of the repository.

use std::fs;
use std::path::Path;

use bff_service::config::fields::FIELDS;
use bff_tests::repository;
use demo_system::Options;
use serde_json::Value;

use crate::{faults, filter_schema, service_schema, validator};

fn is_plugin_configuration(object: &Value) -> bool {
    ["bff_token", "phantom_token"]
        .iter()
        .any(|name| object[name].is_object())
}

/// JSON objects in a text that are plugin configurations.
fn in_json(text: &str) -> Vec<Value> {
    let starts = text.match_indices('{').map(|(at, _)| &text[at..]);
    let objects = starts.filter_map(|rest| {
        serde_json::Deserializer::from_str(rest)
            .into_iter::<Value>()
            .next()?
            .ok()
    });
    objects.filter(is_plugin_configuration).collect()
}

/// Plugin configurations in YAML: in a YAML file, or in the fenced blocks of a page.
fn in_yaml(path: &Path, text: &str) -> Vec<Value> {
    fn collect(value: Value, found: &mut Vec<Value>) {
        match value {
            object if is_plugin_configuration(&object) => found.push(object),
            Value::Object(members) => members.into_iter().for_each(|(_, member)| collect(member, found)),
            Value::Array(items) => items.into_iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let is_page = path.extension().is_some_and(|ending| ending == "md");
    let parts: Vec<&str> = match is_page {
        true => text
            .split("```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
            .collect(),
        // A template becomes YAML only when it is rendered.
        false if text.contains("{{") => Vec::new(),
        false => vec![text],
    };
    let mut found = Vec::new();
    for part in parts.into_iter().filter(|part| part.contains("_token:")) {
        let documents: Vec<Value> = serde_saphyr::from_multiple(part)
            .unwrap_or_else(|error| panic!("parsing {} failed: {error}", path.display()));
        documents.into_iter().for_each(|document| collect(document, &mut found));
    }
    found
}

#[test]
fn the_schemas_accept_every_configuration_of_the_repository() {
    let (filter, service) = (validator(&filter_schema()), validator(&service_schema()));
    let (mut of_json, mut of_yaml, mut of_service) = (0, 0, 0);
    for path in repository::files(&["toml", "yaml", "yml", "json", "conf", "md"]) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        // A schema has the same names in other places.
        if path.to_string_lossy().ends_with(".schema.json") {
            continue;
        }
        let json = in_json(&text);
        let yaml = match ["yaml", "yml", "md"]
            .iter()
            .any(|ending| path.extension() == Some(ending.as_ref()))
        {
            true => in_yaml(&path, &text),
            false => Vec::new(),
        };
        of_json += json.len();
        of_yaml += yaml.len();
        for configuration in json.iter().chain(&yaml) {
            assert_eq!(faults(&filter, configuration), [""; 0], "{}", path.display());
        }
        if path.extension().is_some_and(|ending| ending == "toml") && text.contains("[authorization_server]") {
            let table: toml::Table = text.parse().expect("TOML");
            let instance = serde_json::to_value(table).expect("JSON");
            assert_eq!(faults(&service, &instance), [""; 0], "{}", path.display());
            of_service += 1;
        }
    }
    assert!(
        of_json >= 3 && of_yaml >= 2 && of_service >= 1,
        "{of_json} in JSON, {of_yaml} in YAML, {of_service} of the service were found"
    );
    let demo = demo_system::bff_toml(&Options::demo("target/demo"), Path::new("ca.pem"), "127.0.0.1");
    let demo: toml::Table = demo.parse().expect("TOML");
    assert_eq!(faults(&service, &serde_json::to_value(demo).expect("JSON")), [""; 0]);
}

/// The example with every field that it names, commented out or not.
#[test]
fn the_service_s_schema_accepts_the_example_with_everything_switched_on() {
    let service = validator(&service_schema());
    let mut count = 0;
    let mut section = String::new();
    for line in repository::text("bff-service/bff.example.toml").lines() {
        if line.starts_with('[') {
            section = format!("{line}\n");
        }
        let field = line.trim_start_matches("# ");
        let name = field.split(" = ").next().unwrap_or_default();
        if FIELDS.iter().any(|(path, _)| path.rsplit('.').next() == Some(name)) && field != name {
            let table: toml::Table = format!("{section}{field}").parse().expect("TOML");
            let instance = serde_json::to_value(table).expect("JSON");
            assert_eq!(faults(&service, &instance), [""; 0], "{section}{field}");
            count += 1;
        }
    }
    assert!(count > 60, "only {count} fields are in the example");
}

#[test]
fn a_line_of_the_example_that_is_commented_out_is_the_default_or_an_example_of_a_field_without_one() {
    let schema = service_schema();
    let (mut section, mut defaults, mut examples) = (Vec::new(), 0, 0);
    for line in repository::text("bff-service/bff.example.toml").lines() {
        let content = line.trim_start_matches("# ");
        if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.split('.').map(str::to_owned).collect();
        }
        let Some((name, value)) = content.split_once(" = ").filter(|_| line.starts_with("# ")) else {
            continue;
        };
        let properties = section
            .iter()
            .fold(&schema, |table, name| &table["properties"][name.as_str()]);
        let field = &properties["properties"][name];
        if field.is_null() {
            continue;
        }
        let value: toml::Table = format!("value = {value}").parse().expect("TOML");
        let value = serde_json::to_value(&value["value"]).expect("JSON");
        match field.get("default") {
            None => examples += 1,
            Some(default) if default.as_array().is_some_and(Vec::is_empty) => examples += 1,
            Some(default) => {
                assert_eq!(value, *default, "{}.{name}", section.join("."));
                defaults += 1;
            }
        }
    }
    assert!(
        defaults > 30 && examples > 20,
        "{defaults} defaults, {examples} examples"
    );
}
