//! The configuration reference and the JSON Schemas in `docs/reference`: made by the code, and of one mind with its parsers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bff_service::config::fields::{FIELDS, Kind};
use bff_service::config::{Settings, environment};
use bff_tests::reference::{Page, fields};
use demo_system::Options;
use jsonschema::Validator;
use serde_json::{Value, json};

const KEY: &str = "8f3a1c5e7b9d02468ace13579bdf0246fedcba98765432100f1e2d3c4b5a6978";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the repository")
        .to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn filter_schema() -> Value {
    bff_core::config::schema()
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
        introduction: include_str!("reference/filter.txt"),
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
        introduction: include_str!("reference/service.txt"),
        heading: |path| match path {
            "" => "Outside of all tables".to_owned(),
            "applications" => "`[applications.<name>]`".to_owned(),
            path => format!("`[{path}]`"),
        },
        variable: Some(environment::variable),
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
            fs::create_dir_all(repository().join("docs/reference")).expect("the folder");
            fs::write(repository().join(path), &text).expect("written");
        }
        let committed = fs::read_to_string(repository().join(path)).unwrap_or_default();
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

/// The files below a folder with one of these endings.
fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules", "dist"].contains(&name.as_str()) {
                files(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

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

/// Plugin configurations that are written as YAML: in a file of it, or in the fenced blocks of a page.
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
        // A template becomes YAML only where it is installed.
        false if text.contains("{{") => Vec::new(),
        false => vec![text],
    };
    let mut found = Vec::new();
    for part in parts.into_iter().filter(|part| part.contains("_token:")) {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(part).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        documents.into_iter().for_each(|document| collect(document, &mut found));
    }
    found
}

#[test]
fn the_schemas_accept_every_configuration_of_the_repository() {
    let (filter, service) = (validator(&filter_schema()), validator(&service_schema()));
    let mut found = Vec::new();
    files(
        &repository(),
        &[".toml", ".yaml", ".yml", ".json", ".conf", ".md"],
        &mut found,
    );
    let (mut of_json, mut of_yaml, mut of_service) = (0, 0, 0);
    for path in found {
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
    for line in read("bff-service/bff.example.toml").lines() {
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

/// A value of each type that JSON and TOML have in common.
fn one_of_each_type() -> [Value; 5] {
    [json!("text"), json!(7), json!(true), json!(["a"]), json!({"a": 1})]
}

/// Puts a value at a path.
fn put(instance: &mut Value, path: &str, value: Value) {
    let pointer = format!("/{}", path.replace('.', "/"));
    let (parent, name) = pointer.rsplit_once('/').expect("a slash");
    if instance.pointer(parent).is_none() {
        put(instance, &parent.trim_start_matches('/').replace('/', "."), json!({}));
    }
    instance.pointer_mut(parent).expect("a table")[name] = value;
}

/// A file in which nothing but structure can be wrong.
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
            Kind::Text => value.is_string(),
            Kind::Number => value.is_number(),
            Kind::Flag => value.is_boolean(),
            Kind::List => value.is_array(),
        };
        for value in one_of_each_type() {
            let mut instance = json!({});
            put(&mut instance, &path, value.clone());
            let table: toml::Table = serde_json::from_value(instance.clone()).expect("a table");
            let refused_by_parser = !bff_service::config::fields::check(&table).is_empty();
            assert_eq!(refused_by_parser, !fits(&value), "{path} = {value}");
            // A text that is none of the choices, and a number that is out of bounds, is refused for that.
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
    for (text, good) in [
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
        assert_eq!(service.is_valid(&instance), good, "{text}");
        // What the parser says of the structure goes by these paths; of the rest much is missing here.
        let error = bff_service::config::parse(text, |_| None).expect_err("too little");
        let structural = [
            "there is no such field",
            "of the service as a whole",
            "a name must be",
            "must hold a table",
            "must be from",
        ];
        assert_eq!(
            !structural.iter().any(|fault| error.to_string().contains(fault)),
            good,
            "{text}: {error}"
        );
    }
}

/// A file that the service takes.
fn good_service() -> Value {
    let table: toml::Table = read("bff-service/bff.example.toml").parse().expect("TOML");
    serde_json::to_value(table).expect("JSON")
}

fn faults_of_the_service(instance: &Value) -> Vec<String> {
    let table: toml::Table = serde_json::from_value(instance.clone()).expect("a table");
    let secrets = |name: &str| match name {
        "BFF_COOKIE_KEYS" => Some(KEY.to_owned()),
        "BFF_CLIENT_SECRET" => Some("a-secret".to_owned()),
        _ => None,
    };
    match bff_service::config::parse(&table.to_string(), secrets) {
        Ok(_) => Vec::new(),
        Err(error) => error.faults().iter().map(|fault| fault.field().to_owned()).collect(),
    }
}

/// A plugin configuration that the filter takes, with one answer that may become headers.
fn good_filter() -> Value {
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

fn fault_of_the_filter(instance: &Value) -> Option<String> {
    let env = |name: &str| (name == "SECRET").then(|| "a-secret".to_owned());
    let error = bff_core::config::Config::parse(instance.to_string().as_bytes(), env).err()?;
    Some(error.to_string())
}

#[test]
fn the_bounds_of_the_schemas_are_those_of_the_parsers() {
    let mut count = 0;
    let (of_service, of_filter) = (service_schema(), filter_schema());
    assert_eq!(faults_of_the_service(&good_service()), [""; 0]);
    assert_eq!(fault_of_the_filter(&good_filter()), None);
    for (name, schema) in [("service", &of_service), ("filter", &of_filter)] {
        let validator = validator(schema);
        for (path, field) in fields(schema) {
            let bound = |name: &str| field.get(name).and_then(Value::as_f64).map(|number| number as i64);
            let (Some(least), Some(most)) = (bound("minimum"), bound("maximum")) else {
                let numeric = field.get("type").is_some_and(|one| one == "integer");
                assert!(!numeric, "{path} has no bounds");
                continue;
            };
            for (value, good) in [(least, true), (most, true), (least - 1, false), (most + 1, false)] {
                let (mut instance, refused) = match name {
                    "service" => (good_service(), faults_of_the_service as fn(&Value) -> Vec<String>),
                    _ => (
                        good_filter(),
                        (|instance: &Value| fault_of_the_filter(instance).into_iter().collect()) as _,
                    ),
                };
                put(&mut instance, &path, json!(value));
                assert_eq!(validator.is_valid(&instance), good, "{path} = {value}");
                let faults = refused(&instance);
                assert_eq!(faults.is_empty(), good, "{path} = {value}: {faults:?}");
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
            let mut instance = good_filter();
            put(&mut instance, &path, value.clone());
            // The text is refused for what it says where it must be a URL, an origin, a header or a choice.
            let open = !value.is_string()
                || field.get("type").is_some() && !path.ends_with("_endpoint") && !path.ends_with("path");
            let refused = fault_of_the_filter(&instance);
            let only_between_fields = [
                "phantom_token.issuer: it belongs",
                "it needs `verify_csrf`",
                "is not an origin",
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
        let mut without = good_filter();
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
        let mut instance = good_filter();
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
            .current_dir(repository())
            .output()
            .expect("cargo starts");
        let tree = String::from_utf8_lossy(&output.stdout);
        assert!(tree.contains("bff-core"), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!tree.contains("schemars"), "{package}:\n{tree}");
    }
}
