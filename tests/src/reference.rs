//! The configuration reference as Markdown, generated from a JSON Schema.

use std::fmt::Write;

use serde_json::{Map, Value};

/// The parts of a page that do not come from the schema.
pub struct Page<'a> {
    /// The heading.
    pub title: &'a str,
    /// The text before the tables.
    pub introduction: &'a str,
    /// Renders the path of a section (`client`, empty for the whole) as its heading.
    pub heading: fn(&str) -> String,
    /// The environment variable that overrides a field, if there are such.
    pub variable: Option<fn(&str) -> Option<String>>,
}

impl Page<'_> {
    /// The page, with a table for each section.
    pub fn render(&self, schema: &Value) -> String {
        let mut text = format!("# {}\n\n{}\n", self.title, self.introduction.trim());
        self.section("", schema, &mut text);
        text
    }

    fn section(&self, path: &str, schema: &Value, text: &mut String) {
        let below = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let properties = members(schema, "properties");
        let is_section = |property: &Value| property["type"] != "array" && section_of(property).is_some();
        let heading = (self.heading)(path);
        if !heading.is_empty() {
            let _ = write!(text, "\n## {heading}\n");
            let _ = write!(text, "\n{}\n", description(schema));
        }
        if properties.iter().any(|(_, property)| !is_section(property)) {
            let variable = self.variable.map_or("", |_| " Variable |");
            let rule = self.variable.map_or("", |_| "---|");
            let _ = write!(
                text,
                "\n| Field | Value | Default |{variable} Meaning |\n|---|---|---|{rule}---|\n"
            );
        }
        for (name, property) in properties.iter().filter(|(_, property)| !is_section(property)) {
            let required = schema["required"]
                .as_array()
                .is_some_and(|names| names.iter().any(|required| required == *name));
            let default = match property.get("default") {
                _ if required => "required".to_owned(),
                Some(Value::Array(items)) if items.is_empty() => "none".to_owned(),
                Some(default) => format!("`{}`", plain(default)),
                None => String::new(),
            };
            let variable = match self.variable {
                Some(variable) => variable(&below(name)).map_or(" |".to_owned(), |name| format!(" `{name}` |")),
                None => String::new(),
            };
            let _ = writeln!(
                text,
                "| `{name}` | {} | {default} |{variable} {} |",
                kind(property),
                meaning(property)
            );
        }
        for (name, property) in &properties {
            if let Some(section) = section_of(property) {
                self.section(&below(name), section, text);
            }
        }
    }
}

fn members<'a>(schema: &'a Value, name: &str) -> Vec<(&'a String, &'a Value)> {
    schema[name].as_object().into_iter().flatten().collect()
}

/// The section of a field that is a table of its own, or a list of tables.
fn section_of(property: &Value) -> Option<&Value> {
    let named = |schema: &Value| schema["properties"].is_object() || schema["patternProperties"].is_object();
    match &property["items"] {
        items if named(items) => Some(items),
        _ => named(property).then_some(property),
    }
}

/// The type of the value, in words.
fn kind(property: &Value) -> String {
    let choices = choices(property);
    if !choices.is_empty() {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
        return names.join(", ");
    }
    if let Some(forms) = property["oneOf"].as_array() {
        let forms: Vec<String> = forms
            .iter()
            .flat_map(|form| members(form, "properties"))
            .map(|(name, value)| match value["properties"].is_object() {
                true => format!("`{{\"{name}\": {{…}}}}`"),
                false => format!("`{{\"{name}\": \"…\"}}`"),
            })
            .collect();
        return forms.join(" or ");
    }
    let one = match &property["type"] {
        Value::Array(types) => types.first().unwrap_or(&Value::Null),
        one => one,
    };
    match one.as_str().unwrap_or_default() {
        "boolean" => "Boolean".to_owned(),
        "integer" => match (property["minimum"].as_f64(), property["maximum"].as_f64()) {
            (Some(least), Some(most)) => format!("integer, {least} to {most}"),
            (Some(least), None) => format!("integer, {least} or more"),
            _ => "integer".to_owned(),
        },
        "array" if section_of(property).is_some() => "list, see below".to_owned(),
        "array" => "list of strings".to_owned(),
        _ => "string".to_owned(),
    }
}

/// The possible values, each with its meaning.
fn choices(property: &Value) -> Vec<(&str, String)> {
    // A field that may be absent has its values one level deeper.
    let nested = property["anyOf"].as_array().and_then(|forms| forms.first());
    let forms = property["oneOf"].as_array().or_else(|| nested?["oneOf"].as_array());
    forms
        .into_iter()
        .flatten()
        .filter_map(|form| Some((form["const"].as_str()?, description(form))))
        .collect()
}

fn meaning(property: &Value) -> String {
    let mut text = without_default(&description(property), property.get("default"));
    for (name, what) in choices(property) {
        let _ = write!(text, "<br>`{name}`: {what}");
    }
    text.replace('|', "\\|")
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

/// Leaves out the sentence that only repeats the column with the default.
fn without_default(description: &str, default: Option<&Value>) -> String {
    let Some(default) = default else {
        return description.to_owned();
    };
    let says_it = |sentence: &str| {
        let said = sentence.trim_end_matches('.').strip_prefix("Default ");
        said.is_some_and(|said| said.replace('`', "") == plain(default))
    };
    let sentences = description.split_inclusive(". ").map(str::trim);
    let others: Vec<&str> = sentences.filter(|sentence| !says_it(sentence)).collect();
    others.join(" ")
}

/// A value without its quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Every field of a schema that is not a table: its path and its schema. Lists of tables end the path.
pub fn fields(schema: &Value) -> Vec<(String, &Map<String, Value>)> {
    let mut found = Vec::new();
    for (name, property) in members(schema, "properties") {
        match property["properties"].is_object() {
            true => found.extend(
                fields(property)
                    .into_iter()
                    .map(|(path, field)| (format!("{name}.{path}"), field)),
            ),
            false => found.extend(property.as_object().map(|field| (name.clone(), field))),
        }
    }
    found
}
