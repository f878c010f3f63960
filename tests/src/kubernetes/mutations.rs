//! Typing errors in a manifest: an unknown field, or a value of a wrong type, in every place.

use serde_json::{Value, json};

/// A changed manifest, and the place of the change (JSON pointer).
pub struct Mutation {
    /// The place.
    pub place: String,
    /// The whole manifest.
    pub content: Value,
}

/// A field that is not in any schema, in each object in turn.
pub fn unknown_fields(content: &Value) -> Vec<Mutation> {
    let mut places = Vec::new();
    walk(content, String::new(), &mut |place, value| {
        if value.is_object() {
            places.push(place.to_owned());
        }
    });
    changed(content, places, |value| {
        value["unknownField"] = json!("x");
    })
}

/// An object in place of each string, number and Boolean in turn.
pub fn wrong_types(content: &Value) -> Vec<Mutation> {
    let mut places = Vec::new();
    walk(content, String::new(), &mut |place, value| {
        // Without these two fields no schema can be found.
        if !value.is_object() && !value.is_array() && place != "/kind" && place != "/apiVersion" {
            places.push(place.to_owned());
        }
    });
    changed(content, places, |value| *value = json!({"wrong": "x"}))
}

fn changed(content: &Value, places: Vec<String>, change: impl Fn(&mut Value)) -> Vec<Mutation> {
    places
        .into_iter()
        .map(|place| {
            let mut content = content.clone();
            change(content.pointer_mut(&place).expect("the place is there"));
            Mutation { place, content }
        })
        .collect()
}

fn walk(value: &Value, place: String, visit: &mut impl FnMut(&str, &Value)) {
    visit(&place, value);
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, child)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            walk(child, format!("{place}/{name}"), visit);
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, child)| walk(child, format!("{place}/{index}"), visit)),
        _ => {}
    }
}
