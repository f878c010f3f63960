//! The purpose, the parameters and the response of each endpoint.

use crate::error_code::ErrorCode;
use serde_json::{Value, json};

use super::super::body::MAX_BYTES;
use super::super::endpoint::Endpoint;
use super::components::json_response;
use super::parameters::{header, query};
use crate::api::endpoints::frontchannel_logout::MIN_SID_BYTES;
use crate::api::endpoints::logout::NotDone;
use crate::api::endpoints::navigation::MAX_RETURN_TO_BYTES;
use crate::application::Application;
use crate::oauth::extra_params::{MAX_PARAMS, MAX_VALUE_BYTES};

/// The part of an operation that no table has.
pub(super) struct Operation {
    pub(super) summary: &'static str,
    pub(super) description: String,
    pub(super) security: Value,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) success: (u16, Value),
    pub(super) error_codes: Vec<ErrorCode>,
    /// Whether error responses may contain error codes of the authorization server.
    pub(super) has_server_errors: bool,
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
            // Every endpoint checks the origin of a request.
            error_codes: vec![ErrorCode::UnauthorizedRequest],
            has_server_errors: false,
        }
    }

    /// Requires one of these sets of security schemes.
    fn require_one_of(self, sets: &[&[&str]]) -> Operation {
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

    /// Adds error codes.
    fn add_errors(mut self, error_codes: &[ErrorCode]) -> Operation {
        self.error_codes.extend(error_codes);
        self
    }

    /// Sets the request body.
    fn accept_body(mut self, required: bool, kind: &str, schema: Value) -> Operation {
        let description = format!("At most {MAX_BYTES} bytes.");
        self.body =
            Some(json!({"required": required, "description": description, "content": {kind: {"schema": schema}}}));
        self.add_errors(&[
            ErrorCode::InvalidRequest,
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
        ])
    }

    /// Sets the parameters.
    fn set_parameters(mut self, parameters: Vec<Value>) -> Operation {
        self.parameters = parameters;
        self
    }

    /// The operation of an endpoint. A new endpoint does not compile without one.
    pub(super) fn of(endpoint: Endpoint, application: &Application) -> Operation {
        use ErrorCode::{
            AuthorizationError, AuthorizationServerError, DeviceBindingRequired, DeviceChallenge,
            InsufficientUserAuthentication, InvalidRequest, LoginRequired, Prefetch, RefreshUnavailable,
            SessionExpired, TokenExpired,
        };
        let busy = ErrorCode::AuthorizationServerBusy { retry_after: None };
        let [session_ends, idle_ends, idle_timeout] = ends();
        let claims = json!({"type": "object", "description": "Claims about the user.", "properties": {"sub": {"type": "string"}}});
        match endpoint {
            Endpoint::LoginStart => Operation::new(
                "Start a login",
                "The page then navigates to the URL in the response. If a parameter is not allowed, the service refuses the request.",
                json_200("The authorization request URL, with the login cookie.", &["authorizationRequestUrl"], json!({
                    "authorizationRequestUrl": {"type": "string", "format": "uri"},
                })),
            )
            .require_one_of(&[&[], &["login"]])
            .accept_body(false, "application/json", extra_params(application))
            .add_errors(&[AuthorizationError, AuthorizationServerError, busy]),
            Endpoint::LoginEnd => Operation {
                has_server_errors: true,
                ..Operation::new(
                    "Complete a login, or return whether the user is signed in",
                    "Called with the URL of the page at every page load. `handled` is true if the URL contained an authorization \
                     response, or the `state` of a logout: the page must then remove these parameters from the URL.",
                    json_200("Whether the user is signed in. `csrf` is present only if so.", &["handled", "isLoggedIn"], json!({
                        "handled": {"type": "boolean"},
                        "isLoggedIn": {"type": "boolean"},
                        "csrf": {"type": "string"},
                    })),
                )
                .require_one_of(&[&[], &["login"], &["accessToken", "refreshToken", "idToken", "csrf"]])
                .accept_body(true, "application/json", json!({
                    "type": "object",
                    "required": ["pageUrl"],
                    "properties": {"pageUrl": {"type": "string", "format": "uri", "minLength": 1, "description": "`location.href`"}},
                }))
                .add_errors(&[
                    LoginRequired,
                    InsufficientUserAuthentication,
                    AuthorizationError,
                    AuthorizationServerError,
                    RefreshUnavailable,
                    busy,
                ])
            },
            Endpoint::UserInfo => Operation::new(
                "Return claims about the user",
                "The claims of the ID token or of the userinfo endpoint, as `userinfo_source` says.",
                (200, json_response("The claims.", claims)),
            )
            .require_one_of(&[&["idToken"], &["accessToken"]])
            .add_errors(&[
                TokenExpired,
                SessionExpired,
                DeviceBindingRequired,
                AuthorizationError,
                AuthorizationServerError,
                RefreshUnavailable,
                busy,
            ]),
            Endpoint::Claims => Operation::new(
                "Return the claims of the ID token",
                "The ID token is that of the sign-in, or of the last refresh that returned an ID token.",
                (200, json_response("The claims.", claims)),
            )
            .require_one_of(&[&["idToken"]])
            .add_errors(&[SessionExpired, DeviceBindingRequired, RefreshUnavailable]),
            Endpoint::Refresh => Operation::new(
                "Refresh the session",
                "Concurrent calls with the same refresh token, for example of several tabs, share one refresh. `session_expired` clears the cookies.",
                (204, json!({"description": "The browser gets new cookies with this response, or with that to a registration or another sign-in."})),
            )
            .require_one_of(&[&["refreshToken", "csrf", "csrfHeader"]])
            .add_errors(&[
                InvalidRequest,
                SessionExpired,
                DeviceBindingRequired,
                AuthorizationServerError,
                RefreshUnavailable,
                busy,
            ]),
            Endpoint::Logout => Operation::new(
                "End the session",
                "Clears the cookies, revokes the tokens if the authorization server has a revocation endpoint, and makes copies of the \
                 cookies unusable. With `everywhere`, the other sessions of the user end, too. In a session that is bound to a \
                 device, this requires a proof that is at most 30 seconds old. The page then navigates to the URL in the response.",
                json_200("The URL to navigate to. The cookies are cleared. `notDone` is present only with `everywhere`.", &["url"], json!({
                    "url": {"type": "string", "format": "uri"},
                    "notDone": {
                        "type": "array",
                        "description": "What could not be done.",
                        "items": {"enum": NotDone::ALL},
                    },
                })),
            )
            .require_one_of(&[
                &["refreshToken", "csrf", "csrfHeader"],
                &["accessToken", "csrf", "csrfHeader"],
                &["idToken", "csrf", "csrfHeader"],
            ])
            .accept_body(false, "application/json", json!({
                "type": "object",
                "properties": {"everywhere": {
                    "type": "boolean",
                    "default": false,
                    "description": "Whether all sessions of the user end.",
                }},
                "additionalProperties": false,
            }))
            .add_errors(&[SessionExpired, DeviceBindingRequired, RefreshUnavailable]),
            Endpoint::Touch => Operation::new(
                "Report that the user is active",
                "The idle time of the session begins again. Needed only if `session.max_idle_seconds` is configured.",
                json_200("When the session ends. The browser gets a new CSRF cookie with this response, or with that to a registration or another sign-in.", &["sessionExpiresIn", "idleExpiresIn", "idleTimeout"], json!({
                    "sessionExpiresIn": session_ends,
                    "idleExpiresIn": idle_ends,
                    "idleTimeout": idle_timeout,
                })),
            )
            .require_one_of(&[&["refreshToken", "csrf", "csrfHeader"], &["accessToken", "csrf", "csrfHeader"]])
            .add_errors(&[SessionExpired, DeviceBindingRequired, RefreshUnavailable]),
            Endpoint::Session => Operation::new(
                "Return what a page needs when it loads",
                "`accessTokenExpiresIn` is in seconds. At 0 a refresh is due.",
                json_200("Whether the user is signed in. The other members are present only if so.", &["isLoggedIn"], json!({
                    "isLoggedIn": {"type": "boolean"},
                    "csrf": {"type": "string"},
                    "accessTokenExpiresIn": {"type": "integer", "minimum": 0},
                    "sessionExpiresIn": session_ends,
                    "idleExpiresIn": idle_ends,
                    "idleTimeout": idle_timeout,
                    "claims": {"type": ["object", "null"]},
                })),
            )
            .require_one_of(&[&[], &["accessToken", "refreshToken", "idToken", "csrf"]])
            .add_errors(&[RefreshUnavailable]),
            Endpoint::Login => Operation::new(
                "Start a login by navigation",
                "The browser returns to `/callback`, which redirects to `returnTo`.",
                redirect("Redirect to the authorization server, with the navigation cookie."),
            )
            .set_parameters(login_parameters(application))
            .add_errors(&[Prefetch, InvalidRequest, AuthorizationError, AuthorizationServerError, busy]),
            Endpoint::Callback => Operation::new(
                "Complete a login by navigation",
                "The parameters are those of the authorization response. After a failed login the browser returns to the application \
                 with `error` in the query.",
                redirect("Redirect to `returnTo` of the login, with the session cookies."),
            )
            .require_one_of(&[&["navigation"]])
            .set_parameters(["code", "state", "iss", "error", "response"].map(|name| {
                query(name, false, "Parameter of the authorization response.", json!({"type": "string"}))
            }).to_vec())
            .add_errors(&[Prefetch, InvalidRequest, AuthorizationServerError]),
            Endpoint::LogoutByNavigation => Operation::new(
                "End the session by navigation",
                "Like `POST /logout`, with the CSRF value in the query.",
                redirect("Redirect to the end-session URL of the authorization server, or to a page of the application if there is none. The cookies are cleared."),
            )
            .require_one_of(&[&["refreshToken", "csrf"], &["accessToken", "csrf"], &["idToken", "csrf"]])
            .set_parameters(vec![query("csrf", true, "The CSRF value of the session.", json!({"type": "string"}))])
            .add_errors(&[Prefetch, SessionExpired]),
            Endpoint::BackchannelLogout => Operation::new(
                "End sessions by back-channel logout",
                "OpenID Connect Back-Channel Logout 1.0. Requires no cookie.",
                (200, json_response("The sessions are ended.", json!({"type": "object"}))),
            )
            .accept_body(true, "application/x-www-form-urlencoded", json!({
                "type": "object",
                "required": ["logout_token"],
                "properties": {"logout_token": {"type": "string", "minLength": 1}},
            })),
            Endpoint::FrontchannelLogout => Operation::new(
                "End sessions by front-channel logout",
                "OpenID Connect Front-Channel Logout 1.0.",
                (200, json!({"description": "The sessions are ended. The body is an empty page for the frame.", "content": {"text/html": {}}})),
            )
            .set_parameters(vec![
                query("iss", true, "The issuer identifier.", json!({"type": "string"})),
                query("sid", true, "The session ID at the authorization server (`sid`).", json!({"type": "string", "minLength": MIN_SID_BYTES})),
            ])
            .add_errors(&[InvalidRequest]),
            Endpoint::Jwks => Operation::new(
                "Return the public keys of the client",
                "The authorization server verifies client assertions and signed authorization requests with these keys.",
                json_200("A JSON Web Key Set (RFC 7517).", &["keys"], json!({
                    "keys": {"type": "array", "items": {"type": "object"}},
                })),
            ),
            Endpoint::DeviceRegistration => Operation::new(
                "Register a key of the device",
                "Binds the session to the key (W3C Device Bound Session Credentials). Only the response that begins a session offers \
                 the registration, with `Secure-Session-Registration`.",
                json_200("The session instructions, with the cookies of the bound session.", &INSTRUCTIONS, instructions()),
            )
            .require_one_of(&[&["accessToken", "refreshToken", "csrf"]])
            .set_parameters(vec![device_token(true)])
            .add_errors(&[SessionExpired, RefreshUnavailable]),
            Endpoint::DeviceProof => Operation::new(
                "Get a new proof that the browser has the device's key",
                "HTTP 403 has a challenge in `Secure-Session-Challenge`, which the browser signs.",
                json_200(
                    "The session instructions, with a new proof in its cookie and the next challenge in `Secure-Session-Challenge`.",
                    &INSTRUCTIONS,
                    instructions(),
                ),
            )
            .require_one_of(&[&["accessToken", "deviceKey"], &["csrf", "deviceKey"]])
            .set_parameters(vec![
                header("Sec-Secure-Session-Id", true, "The `session_identifier`.", json!({"type": "string"})),
                device_token(false),
            ])
            .add_errors(&[SessionExpired, DeviceChallenge, RefreshUnavailable]),
        }
    }
}

/// The required members of the session instructions.
const INSTRUCTIONS: [&str; 5] = [
    "session_identifier",
    "refresh_url",
    "scope",
    "credentials",
    "allowed_refresh_initiators",
];

fn instructions() -> Value {
    json!({
        "session_identifier": {"type": "string"},
        "refresh_url": {"type": "string"},
        "scope": {"type": "object"},
        "credentials": {"type": "array", "items": {"type": "object"}},
        "allowed_refresh_initiators": {"type": "array", "items": {"type": "string"}},
    })
}

fn device_token(required: bool) -> Value {
    header(
        "Secure-Session-Response",
        required,
        "A JWT that the device has signed. Its `jti` is the challenge.",
        json!({"type": "string"}),
    )
}

/// The schemas of the members that say when a session ends.
fn ends() -> [Value; 3] {
    let seconds = |kind: Value, description: &str| json!({"type": kind, "minimum": 0, "description": description});
    [
        seconds(
            json!("integer"),
            "The time, in seconds, after which the session ends even if the user is active. If only the refresh \
             token's lifetime limits this time, a refresh may prolong it.",
        ),
        seconds(
            json!(["integer", "null"]),
            "The time, in seconds, after which the session ends if the user is not active; `null` without an idle time.",
        ),
        seconds(
            json!(["integer", "null"]),
            "The idle time, in seconds; `null` if there is none.",
        ),
    ]
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
        }, "stepUp": {
            "type": "boolean",
            "default": false,
            "description": "Whether the user must authenticate with one of the `acr_values` of `extraParams` (RFC 9470).",
        }},
    })
}

fn login_parameters(application: &Application) -> Vec<Value> {
    let path = json!({"type": "string", "pattern": "^/", "maxLength": MAX_RETURN_TO_BYTES, "default": "/"});
    let mut parameters = vec![query(
        "returnTo",
        false,
        "Path of the application that the browser returns to.",
        path,
    )];
    for name in &application.config.client.allowed_extra_params {
        let schema = json!({"type": "string", "maxLength": MAX_VALUE_BYTES});
        parameters.push(query(name, false, "Parameter for the authorization request.", schema));
    }
    parameters
}
