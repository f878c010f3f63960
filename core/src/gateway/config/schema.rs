//! The configuration of the filter as a JSON Schema, generated from the types that read it.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use super::filter::RawConfig;

/// Returns the JSON Schema of the configuration, with all subschemas inline. Editors support draft 07 best.
///
/// The schema has names, types, bounds, defaults and enumerations. It says that at least one section is required, and
/// in the token stage at least one of introspection and token exchange. Only the parser checks the other rules between
/// fields, and the syntax of strings such as URLs.
#[must_use]
pub fn schema() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema = settings
        .with_transform(RecursiveTransform(simplify))
        .into_generator()
        .into_root_schema_for::<RawConfig>();
    schema.insert("title".to_owned(), json!("Configuration of the filter"));
    let has = |name: &str, kind: &str| json!({"required": [name], "properties": {name: {"type": kind}}});
    schema.insert(
        "anyOf".to_owned(),
        json!([has("bff_token", "object"), has("phantom_token", "object")]),
    );
    let mut schema = schema.to_value();
    if let Some(Value::Object(stage)) = schema.pointer_mut("/properties/phantom_token") {
        stage.insert(
            "anyOf".to_owned(),
            json!([has("introspection_endpoint", "string"), has("token_exchange", "object")]),
        );
    }
    schema
}

/// Removes what only the source code needs: Rust's formats (`uint64`) and line breaks.
pub fn simplify(schema: &mut Schema) {
    schema.remove("format");
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}
