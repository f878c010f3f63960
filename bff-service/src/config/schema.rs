//! The configuration as a JSON Schema, made from the structures that read it.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use super::applications::SHARED;
use super::sections::Settings;

/// The JSON Schema (draft 07, which editors know best) of the configuration file, in one piece.
///
/// It knows names, types, bounds, defaults and choices. Nothing is required by it, since any field can come from the
/// environment; `bff-service check` says what is missing, and what does not go together.
pub fn schema() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let schema = settings
        .with_transform(RecursiveTransform(as_toml_has_it))
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
        "description": "Several applications in one service. Each has the fields of the whole \
                        again, but for those of the service as a whole, and overrides what stands outside.",
        "type": "object",
        "minProperties": 1,
        "patternProperties": {"^[a-z0-9-]+$": application},
        "additionalProperties": false,
    });
    schema
}

/// TOML has no null: what has no value is left out. Nor is an empty text a default: the field is then required.
fn as_toml_has_it(schema: &mut Schema) {
    bff_core::gateway::config::plain(schema);
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
                // The field's own description goes before its type's.
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
