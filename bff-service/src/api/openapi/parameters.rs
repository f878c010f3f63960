//! Headers and parts of the query.

use serde_json::{Value, json};

use super::super::endpoint::Caller;
use crate::application::Application;

/// What every request of this kind of caller brings.
pub(super) fn of_caller(caller: Caller, application: &Application) -> Vec<Value> {
    let origins: Vec<&str> = application.config.trusted_origins().iter().collect();
    match caller {
        Caller::Page => vec![json!({
            "name": "Origin",
            "in": "header",
            "description": "The page's origin, as browsers send it; required of every POST.",
            "schema": {"enum": origins},
        })],
        Caller::Navigation | Caller::AuthorizationServer => Vec::new(),
    }
}

/// A parameter of the query.
pub(super) fn query(name: &str, required: bool, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "required": required, "description": description, "schema": schema})
}
