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
        Caller::Navigation | Caller::AuthorizationServer => Vec::new(),
    }
}

/// A query parameter.
pub(super) fn query(name: &str, required: bool, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "required": required, "description": description, "schema": schema})
}
