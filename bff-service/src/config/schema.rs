//! The configuration as a JSON Schema, generated from the structures that serde deserializes.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use super::applications::SHARED;
use super::sections::Settings;

/// The JSON Schema (draft 07, which most editors support) of the configuration file, without references to other files.
///
/// The schema has names, types, ranges, defaults and choices. It requires no field, because any field can come from the
/// environment. `bff-service check` reports missing fields and invalid combinations.
pub fn schema() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let schema = settings
        .with_transform(RecursiveTransform(adapt_to_toml))
        .into_generator()
        .into_root_schema_for::<Settings>();
    let mut schema = schema.to_value();
    let mut application = schema.clone();
    for keyword in ["$schema", "title", "description"] {
        remove(&mut application, keyword);
    }
    for shared in SHARED {
        remove(&mut application["properties"], shared);
    }
    schema["title"] = json!("Configuration of the BFF service");
    schema["properties"]["applications"] = json!({
        "description": "Several applications in one service. An application has the same fields as the file, except \
                        `server` and `demo`, and overrides the values outside of its table.",
        "type": "object",
        "minProperties": 1,
        "patternProperties": {"^[a-z0-9-]+$": application},
        "additionalProperties": false,
    });
    schema
}

/// Adapts a schema to TOML, which has no null: fields without a value have no default. An empty string is not a default
/// either: the field is then required.
fn adapt_to_toml(schema: &mut Schema) {
    bff_core::gateway::config::simplify(schema);
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(one)] = choices.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            for (keyword, value) in one {
                // The description of the field takes precedence over that of its type.
                if schema.get(&keyword).is_none() {
                    schema.insert(keyword, value);
                }
            }
        }
    }
    if schema
        .get("default")
        .is_some_and(|value| value.is_null() || value == "")
    {
        schema.remove("default");
    }
}

fn remove(object: &mut Value, name: &str) {
    if let Value::Object(members) = object {
        members.remove(name);
    }
}
