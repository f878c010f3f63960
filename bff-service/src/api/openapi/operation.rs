//! What each endpoint is for, takes and gives.

use crate::error_code::ErrorCode;
use serde_json::{Value, json};

use super::super::body::MAX_BYTES;
use super::super::endpoint::Endpoint;
use super::components::json_response;
use super::parameters::query;
use crate::api::endpoints::frontchannel_logout::LEAST_SID_BYTES;
use crate::api::endpoints::navigation::MAX_RETURN_TO_BYTES;
use crate::application::Application;
use crate::oauth::extra_params::{MAX_PARAMS, MAX_VALUE_BYTES};

/// One operation, as far as no table knows it.
pub(super) struct Operation {
    pub(super) summary: &'static str,
    pub(super) description: String,
    pub(super) security: Value,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) success: (u16, Value),
    pub(super) refusals: Vec<ErrorCode>,
    /// Whether the authorization server's own error codes come through.
    pub(super) passes_errors_on: bool,
}

impl Operation {
    fn new(summary: &'static str, description: impl Into<String>, success: (u16, Value)) -> Operation {
        Operation {
            summary,
            description: description.into(),
            security: json!([]),
            parameters: Vec::new(),
            body: None,
            success,
            // Whoever calls may be refused for where the call comes from.
            refusals: vec![ErrorCode::UnauthorizedRequest],
            passes_errors_on: false,
        }
    }

    /// One of these sets of what is shown.
    fn showing(self, sets: &[&[&str]]) -> Operation {
        let set = |names: &&[&str]| {
            names
                .iter()
                .map(|name| ((*name).to_owned(), json!([])))
                .collect::<Value>()
        };
        Operation {
            security: sets.iter().map(set).collect(),
            ..self
        }
    }

    fn refusing(mut self, refusals: &[ErrorCode]) -> Operation {
        self.refusals.extend(refusals);
        self
    }

    fn taking(mut self, required: bool, kind: &str, schema: Value) -> Operation {
        let description = format!("At most {MAX_BYTES} bytes.");
        self.body =
            Some(json!({"required": required, "description": description, "content": {kind: {"schema": schema}}}));
        self.refusing(&[
            ErrorCode::InvalidRequest,
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
        ])
    }

    fn with(mut self, parameters: Vec<Value>) -> Operation {
        self.parameters = parameters;
        self
    }

    /// The operation of an endpoint. A new endpoint does not compile without one.
    pub(super) fn of(endpoint: Endpoint, application: &Application) -> Operation {
        use ErrorCode::{
            AuthorizationError, AuthorizationServerError, InvalidRequest, LoginRequired, Prefetch, SessionExpired,
            TokenExpired,
        };
        let busy = ErrorCode::AuthorizationServerBusy { retry_after: None };
        let claims = json!({"type": "object", "description": "Claims about the user.", "properties": {"sub": {"type": "string"}}});
        match endpoint {
            Endpoint::LoginStart => Operation::new(
                "Begins a login",
                "The page then goes to the URL. Parameters beyond the allowed ones are refused.",
                json_200("Where the browser is to go, and the login cookie.", &["authorizationRequestUrl"], json!({
                    "authorizationRequestUrl": {"type": "string", "format": "uri"},
                })),
            )
            .showing(&[&[], &["login"]])
            .taking(false, "application/json", extra_params(application))
            .refusing(&[AuthorizationError, AuthorizationServerError, busy]),
            Endpoint::LoginEnd => Operation {
                passes_errors_on: true,
                ..Operation::new(
                    "Finishes a login, or tells a loading page whether somebody is signed in",
                    "Called with the page's URL on every page load. `handled`: the URL held something that the page is to \
                     remove from it.",
                    json_200("Whether somebody is signed in; `csrf` only then.", &["handled", "isLoggedIn"], json!({
                        "handled": {"type": "boolean"},
                        "isLoggedIn": {"type": "boolean"},
                        "csrf": {"type": "string"},
                    })),
                )
                .showing(&[&[], &["login"], &["accessToken", "refreshToken", "idToken", "csrf"]])
                .taking(true, "application/json", json!({
                    "type": "object",
                    "required": ["pageUrl"],
                    "properties": {"pageUrl": {"type": "string", "format": "uri", "minLength": 1, "description": "`location.href`"}},
                }))
                .refusing(&[LoginRequired, AuthorizationError, AuthorizationServerError, busy])
            },
            Endpoint::UserInfo => Operation::new(
                "Claims about the user",
                "Of the ID token, or of the authorization server's userinfo endpoint, as configured.",
                (200, json_response("The claims.", claims)),
            )
            .showing(&[&["idToken"], &["accessToken"]])
            .refusing(&[TokenExpired, SessionExpired, AuthorizationError, AuthorizationServerError, busy]),
            Endpoint::Claims => Operation::new(
                "The claims of the ID token",
                "As they came at sign-in, or at the last refresh that brought an ID token.",
                (200, json_response("The claims.", claims)),
            )
            .showing(&[&["idToken"]])
            .refusing(&[SessionExpired]),
            Endpoint::Refresh => Operation::new(
                "New tokens for the session",
                "However many tabs call at once, all succeed with the same new tokens. `session_expired` clears the cookies.",
                (204, json!({"description": "Done: new cookies."})),
            )
            .showing(&[&["refreshToken", "csrf", "csrfHeader"]])
            .refusing(&[InvalidRequest, SessionExpired, AuthorizationServerError, busy]),
            Endpoint::Logout => Operation::new(
                "Ends the session",
                "Here, at the authorization server (tokens are revoked), and for copies of the cookies. The page then goes to \
                 the URL.",
                json_200("Where the browser is to go; the cookies are cleared.", &["url"], json!({
                    "url": {"type": "string", "format": "uri"},
                })),
            )
            .showing(&[&["refreshToken", "csrf", "csrfHeader"], &["accessToken", "csrf", "csrfHeader"], &["idToken", "csrf", "csrfHeader"]])
            .refusing(&[SessionExpired]),
            Endpoint::Session => Operation::new(
                "Everything that a page needs to know when it loads",
                "`accessTokenExpiresIn` is in seconds; 0: a refresh is due.",
                json_200("Whether somebody is signed in; the rest only then.", &["isLoggedIn"], json!({
                    "isLoggedIn": {"type": "boolean"},
                    "csrf": {"type": "string"},
                    "accessTokenExpiresIn": {"type": "integer", "minimum": 0},
                    "claims": {"type": ["object", "null"]},
                })),
            )
            .showing(&[&[], &["accessToken", "refreshToken", "idToken", "csrf"]]),
            Endpoint::Login => Operation::new(
                "Begins a login by navigation",
                "The browser comes back to `/callback`, and from there to `returnTo`.",
                redirect("To the authorization server, with the login cookie."),
            )
            .with(login_parameters(application))
            .refusing(&[Prefetch, InvalidRequest, AuthorizationError, AuthorizationServerError, busy]),
            Endpoint::Callback => Operation::new(
                "Finishes a login by navigation",
                "The parameters are those of the authorization response. A login that fails comes back to the application \
                 with `error` in the query.",
                redirect("To where the login began, with the session's cookies."),
            )
            .showing(&[&["login"]])
            .with(["code", "state", "iss", "error", "response"].map(|name| {
                query(name, false, "Of the authorization response.", json!({"type": "string"}))
            }).to_vec())
            .refusing(&[Prefetch, InvalidRequest, AuthorizationServerError]),
            Endpoint::LogoutByNavigation => Operation::new(
                "Ends the session by navigation",
                "As the POST, with the CSRF value in the query.",
                redirect("To the authorization server's logout; the cookies are cleared."),
            )
            .showing(&[&["refreshToken", "csrf"], &["accessToken", "csrf"], &["idToken", "csrf"]])
            .with(vec![query("csrf", true, "The session's CSRF value.", json!({"type": "string"}))])
            .refusing(&[Prefetch, SessionExpired]),
            Endpoint::BackchannelLogout => Operation::new(
                "Ends sessions at the authorization server's word",
                "OpenID Connect Back-Channel Logout 1.0. Needs no cookie.",
                (200, json_response("Done.", json!({"type": "object"}))),
            )
            .taking(true, "application/x-www-form-urlencoded", json!({
                "type": "object",
                "required": ["logout_token"],
                "properties": {"logout_token": {"type": "string", "minLength": 1}},
            }))
            .refusing(&[AuthorizationServerError]),
            Endpoint::FrontchannelLogout => Operation::new(
                "Ends a login at the word of the authorization server's page",
                "OpenID Connect Front-Channel Logout 1.0.",
                (200, json!({"description": "Done: an empty page for a frame.", "content": {"text/html": {}}})),
            )
            .with(vec![
                query("iss", true, "The issuer.", json!({"type": "string"})),
                query("sid", true, "The login's name there.", json!({"type": "string", "minLength": LEAST_SID_BYTES})),
            ])
            .refusing(&[InvalidRequest]),
            Endpoint::Jwks => Operation::new(
                "The client's public keys",
                "For the authorization server, which verifies the client's assertions and signed requests with them.",
                json_200("A JSON Web Key Set (RFC 7517).", &["keys"], json!({
                    "keys": {"type": "array", "items": {"type": "object"}},
                })),
            ),
        }
    }
}

fn json_200(description: &str, required: &[&str], properties: Value) -> (u16, Value) {
    let schema = json!({"type": "object", "required": required, "properties": properties});
    (200, json_response(description, schema))
}

fn redirect(description: &str) -> (u16, Value) {
    let location = json!({"required": true, "schema": {"type": "string", "format": "uri"}});
    (
        302,
        json!({"description": description, "headers": {"Location": location}}),
    )
}

fn extra_params(application: &Application) -> Value {
    json!({
        "type": "object",
        "properties": {"extraParams": {
            "type": "array",
            "maxItems": MAX_PARAMS,
            "items": {
                "type": "object",
                "required": ["key", "value"],
                "properties": {
                    "key": {"enum": application.config.client.allowed_extra_params},
                    "value": {"type": "string", "maxLength": MAX_VALUE_BYTES},
                },
            },
        }},
    })
}

fn login_parameters(application: &Application) -> Vec<Value> {
    let path = json!({"type": "string", "pattern": "^/", "maxLength": MAX_RETURN_TO_BYTES, "default": "/"});
    let mut parameters = vec![query("returnTo", false, "A path of the application.", path)];
    for name in &application.config.client.allowed_extra_params {
        let schema = json!({"type": "string", "maxLength": MAX_VALUE_BYTES});
        parameters.push(query(name, false, "For the authorization request.", schema));
    }
    parameters
}
