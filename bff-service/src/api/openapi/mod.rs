//! The endpoints as an OpenAPI 3.1 document, generated from the tables of endpoints and error codes and an
//! application's configuration. [`operation`] adds what no table has: the purpose, the parameters and the response of
//! each endpoint.

mod components;
mod operation;
mod parameters;

use serde_json::{Map, Value, json};

use self::components::{error_schemas, group_by_status, security_schemes};
use self::operation::Operation;
use super::endpoint::{Caller, ENDPOINTS, Offered};
use crate::application::Application;

/// The document for one application, with its endpoints and its names of cookies and headers.
pub fn document(application: &Application) -> Value {
    let config = &application.config;
    let offered = Offered::by(config);
    let mut paths: Map<String, Value> = Map::new();
    for (path, method, name, caller, endpoint) in &ENDPOINTS {
        if !offered.has(*endpoint) {
            continue;
        }
        let operation = describe(name, *caller, Operation::of(*endpoint, application), application);
        let path = format!("{}{path}", config.endpoints_prefix);
        let at_path = paths.entry(path).or_insert_with(|| json!({}));
        at_path[method.as_str().to_ascii_lowercase()] = operation;
    }
    let tags = [
        Caller::Page,
        Caller::Navigation,
        Caller::Browser,
        Caller::AuthorizationServer,
    ]
    .map(tag);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Backend for Frontend",
            "version": crate::version::VERSION,
            "description": "Signs the users of a single page application in and out, and keeps the tokens in sealed cookies. \
                            In addition to the responses of each operation, if Origin and Fetch Metadata pass the \
                            checks, the service answers an unknown path with HTTP 404 `not_found`, and an unsupported \
                            method with HTTP 405 `method_not_allowed` and `Allow`, both with an `Error` body. It \
                            answers every CORS preflight at a known path with HTTP 204. Pages of the \
                            trusted web origins may read the responses (CORS), except those of the endpoints that the \
                            browser itself calls.",
        },
        "servers": servers(application),
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": error_schemas(),
            "securitySchemes": security_schemes(application),
        },
    })
}

/// The URLs of the service: the application's hosts, or otherwise the host of the redirect URI of the navigation
/// variant, or otherwise a variable, because only the proxy knows the host. Without `servers` the URL would be that of
/// the document, which is the admin listener.
fn servers(application: &Application) -> Value {
    let config = &application.config;
    if !config.hosts.is_empty() {
        let server = |host: &String| json!({ "url": format!("https://{host}") });
        return config.hosts.iter().map(server).collect();
    }
    if let Some(redirect_uri) = config.navigation_redirect_uri() {
        return json!([{ "url": redirect_uri.url().origin().ascii_serialization() }]);
    }
    json!([{
        "url": "https://{host}",
        "variables": {"host": {
            "default": "api.example.com",
            "description": "The host at which the proxy serves the BFF, with the port if it is not 443.",
        }},
    }])
}

fn describe(name: &str, caller: Caller, operation: Operation, application: &Application) -> Value {
    let Operation {
        summary,
        description,
        security,
        parameters: own,
        body,
        success: (status, success),
        error_codes,
        has_server_errors,
    } = operation;
    let mut parameters = parameters::of_caller(caller, application);
    parameters.extend(own);
    let mut responses = group_by_status(&error_codes, has_server_errors);
    responses.insert(status.to_string(), success);
    for response in responses.values_mut() {
        response["headers"]["Cache-Control"] = json!({"required": true, "schema": {"const": "no-store"}});
    }
    let mut described = json!({
        "operationId": name,
        "tags": [tag(caller)["name"]],
        "summary": summary,
        "description": description,
        "security": security,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = body {
        described["requestBody"] = body;
    }
    described
}

fn tag(caller: Caller) -> Value {
    let (name, description) = match caller {
        Caller::Page => (
            "page",
            "Called by the page of the application, with `fetch` and credentials.",
        ),
        Caller::Navigation => (
            "navigation",
            "Navigations of the browser, for applications whose pages have no code for sign-in and sign-out.",
        ),
        Caller::Browser => (
            "browser",
            "Called by the browser itself, for sessions that are bound to a device. No script can send these requests.",
        ),
        Caller::AuthorizationServer => (
            "authorization server",
            "Called by the authorization server, or by a frame of the authorization server in the browser.",
        ),
    };
    json!({ "name": name, "description": description })
}
