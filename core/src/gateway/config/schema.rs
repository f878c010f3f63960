//! The plugin configuration as a JSON Schema, made from the structures that read it.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use super::plugin::RawConfig;

/// The JSON Schema (draft 07, which editors know best) of the plugin configuration, in one piece.
///
/// It knows names, types, bounds, defaults and choices. What only holds between fields, or of a text as a URL, the parser
/// says.
#[must_use]
pub fn schema() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema = settings
        .with_transform(RecursiveTransform(plain))
        .into_generator()
        .into_root_schema_for::<RawConfig>();
    schema.insert("title".to_owned(), json!("Plugin configuration of the filter"));
    let section = |name: &str| json!({"required": [name], "properties": {name: {"type": "object"}}});
    schema.insert(
        "anyOf".to_owned(),
        json!([section("bff_token"), section("phantom_token")]),
    );
    schema.to_value()
}

/// Nothing of the source's own: neither Rust's names of formats (`uint64`), nor where its lines end.
pub fn plain(schema: &mut Schema) {
    schema.remove("format");
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}
