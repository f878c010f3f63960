//! The API as an OpenAPI 3.1 document.

use serde_json::{Value, json};

use crate::application::Application;

/// The document.
pub fn document(_application: &Application) -> Value {
    json!({})
}
