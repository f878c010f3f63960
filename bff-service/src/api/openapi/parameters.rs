//! Headers and query parameters.

use serde_json::{Value, json};

use super::super::endpoint::Caller;
use crate::application::Application;

/// The parameters of every request of this kind of caller.
pub(super) fn of_caller(caller: Caller, application: &Application) -> Vec<Value> {
    let origins: Vec<&str> = application.config.trusted_origins().iter().collect();
    match caller {
        Caller::Page => vec![json!({
            "name": "Origin",
            "in": "header",
            "description": "Origin of the page, which browsers send. Required for every POST.",
            "schema": {"enum": origins},
        })],
        Caller::Browser => {
            let sites: &[&str] = match application.cookies.domain {
                Some(_) => &["same-origin", "same-site"],
                None => &["same-origin"],
            };
            vec![
                fetch_metadata("Sec-Fetch-Site", sites),
                fetch_metadata("Sec-Fetch-Mode", &["no-cors"]),
            ]
        }
        Caller::Navigation | Caller::AuthorizationServer => Vec::new(),
    }
}

fn fetch_metadata(name: &str, values: &[&str]) -> Value {
    let description = "Sent by the browser. Earlier versions of Chromium send neither this header nor `Origin` here.";
    header(name, false, description, json!({ "enum": values }))
}

/// A header.
pub(super) fn header(name: &str, required: bool, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "header", "required": required, "description": description, "schema": schema})
}

/// A query parameter.
pub(super) fn query(name: &str, required: bool, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "required": required, "description": description, "schema": schema})
}
