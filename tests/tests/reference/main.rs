//! The configuration reference and the JSON Schemas in `docs/reference`: made by the code, and of one mind with its parsers.

mod examples;
mod parsers;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use bff_service::config::fields::FIELDS;
use bff_service::config::overrides;
use bff_tests::reference::{Page, fields};
use bff_tests::repository;
use jsonschema::Validator;
use serde_json::Value;

fn filter_schema() -> Value {
    bff_core::gateway::config::schema()
}

fn service_schema() -> Value {
    bff_service::config::schema()
}

fn validator(schema: &Value) -> Validator {
    jsonschema::validator_for(schema).expect("a schema")
}

fn faults(validator: &Validator, instance: &Value) -> Vec<String> {
    let faults = validator.iter_errors(instance);
    faults
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn filter_page() -> String {
    let page = Page {
        title: "The filter's plugin configuration",
        introduction: include_str!("filter.txt"),
        heading: |path| match path {
            "" => String::new(),
            path => format!("`{path}`"),
        },
        variable: None,
    };
    page.render(&filter_schema())
}

fn service_page() -> String {
    let page = Page {
        title: "The service's configuration",
        introduction: include_str!("service.txt"),
        heading: |path| match path {
            "" => "Outside of all tables".to_owned(),
            "applications" => "`[applications.<name>]`".to_owned(),
            path => format!("`[{path}]`"),
        },
        variable: Some(overrides::variable),
    };
    page.render(&service_schema())
}

#[test]
fn the_reference_is_what_the_code_makes_of_itself() {
    let pretty = |schema: &Value| serde_json::to_string_pretty(schema).expect("JSON") + "\n";
    let files = [
        ("docs/reference/filter.schema.json", pretty(&filter_schema())),
        ("docs/reference/filter.md", filter_page()),
        ("docs/reference/service.schema.json", pretty(&service_schema())),
        ("docs/reference/service.md", service_page()),
    ];
    for (path, text) in files {
        if std::env::var_os("BFF_WRITE_REFERENCE").is_some() {
            fs::create_dir_all(repository::path("docs/reference")).expect("the folder");
            fs::write(repository::path(path), &text).expect("written");
        }
        let committed = fs::read_to_string(repository::path(path)).unwrap_or_default();
        assert!(
            committed == text,
            "{path} is not what the code says; write it anew with BFF_WRITE_REFERENCE=1 cargo test -p bff-tests \
             --test reference, and look at the difference"
        );
    }
}

#[test]
fn every_field_is_described() {
    for (name, schema) in [("filter", filter_schema()), ("service", service_schema())] {
        for (path, field) in fields(&schema) {
            let description = field.get("description").and_then(Value::as_str).unwrap_or_default();
            assert!(!description.is_empty(), "{name}: {path}");
        }
    }
}

#[test]
fn the_service_s_schema_has_the_fields_that_the_parser_has() {
    let schema = service_schema();
    let described: BTreeSet<String> = fields(&schema)
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path != "applications")
        .collect();
    let read: BTreeSet<String> = FIELDS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(described, read);
}

#[test]
fn what_makes_the_schemas_is_no_part_of_the_filter_or_of_the_service() {
    for package in ["bff-filter", "bff-service"] {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args([
                "tree",
                "--locked",
                "--edges",
                "normal,build",
                "--prefix",
                "none",
                "--package",
                package,
            ])
            .current_dir(repository::path(""))
            .output()
            .expect("cargo starts");
        let tree = String::from_utf8_lossy(&output.stdout);
        assert!(tree.contains("bff-core"), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!tree.contains("schemars"), "{package}:\n{tree}");
    }
}
