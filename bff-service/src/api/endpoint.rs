//! The table of endpoints.

use actix_web::http::Method;

use super::body::BodyKind;
use crate::config::{Config, DeviceBinding};
use crate::session::device_binding::instructions::{REFRESH_PATH, REGISTRATION_PATH};

/// An endpoint of the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Endpoint {
    /// `POST /login/start`
    LoginStart,
    /// `POST /login/end`
    LoginEnd,
    /// `GET /userInfo`
    UserInfo,
    /// `GET /claims`
    Claims,
    /// `POST /refresh`
    Refresh,
    /// `POST /touch`
    Touch,
    /// `POST /logout`
    Logout,
    /// `GET /session`
    Session,
    /// `GET /login`: the navigation variant.
    Login,
    /// `GET /callback`: the navigation variant.
    Callback,
    /// `GET /logout`: the navigation variant.
    LogoutByNavigation,
    /// `POST /backchannel-logout`
    BackchannelLogout,
    /// `GET /frontchannel-logout`
    FrontchannelLogout,
    /// `GET /jwks`
    Jwks,
    /// `POST /dbsc/register`
    DeviceRegistration,
    /// `POST /dbsc/refresh`
    DeviceProof,
}

/// The caller of an endpoint, which decides how a request is authenticated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caller {
    /// The page of the application, by `fetch`: checked by its Origin.
    Page,
    /// The browser, by a navigation.
    Navigation,
    /// The browser itself, by a request that no script can send.
    Browser,
    /// The authorization server, or a frame of it in the browser: checked by the parameters, except at `/jwks`, which
    /// is public.
    AuthorizationServer,
}

/// Every endpoint of an application: path, method, name in metrics and in the log, caller. The endpoints of one path are
/// adjacent.
pub(super) static ENDPOINTS: [(&str, Method, &str, Caller, Endpoint); 16] = [
    (
        "/login/start",
        Method::POST,
        "login_start",
        Caller::Page,
        Endpoint::LoginStart,
    ),
    (
        "/login/end",
        Method::POST,
        "login_end",
        Caller::Page,
        Endpoint::LoginEnd,
    ),
    ("/userInfo", Method::GET, "user_info", Caller::Page, Endpoint::UserInfo),
    ("/claims", Method::GET, "claims", Caller::Page, Endpoint::Claims),
    ("/refresh", Method::POST, "refresh", Caller::Page, Endpoint::Refresh),
    ("/touch", Method::POST, "touch", Caller::Page, Endpoint::Touch),
    ("/logout", Method::POST, "logout", Caller::Page, Endpoint::Logout),
    (
        "/logout",
        Method::GET,
        "logout_by_navigation",
        Caller::Navigation,
        Endpoint::LogoutByNavigation,
    ),
    ("/session", Method::GET, "session", Caller::Page, Endpoint::Session),
    ("/login", Method::GET, "login", Caller::Navigation, Endpoint::Login),
    (
        "/callback",
        Method::GET,
        "callback",
        Caller::Navigation,
        Endpoint::Callback,
    ),
    (
        "/backchannel-logout",
        Method::POST,
        "backchannel_logout",
        Caller::AuthorizationServer,
        Endpoint::BackchannelLogout,
    ),
    (
        "/frontchannel-logout",
        Method::GET,
        "frontchannel_logout",
        Caller::AuthorizationServer,
        Endpoint::FrontchannelLogout,
    ),
    (
        "/jwks",
        Method::GET,
        "jwks",
        Caller::AuthorizationServer,
        Endpoint::Jwks,
    ),
    (
        REGISTRATION_PATH,
        Method::POST,
        "device_registration",
        Caller::Browser,
        Endpoint::DeviceRegistration,
    ),
    (
        REFRESH_PATH,
        Method::POST,
        "device_proof",
        Caller::Browser,
        Endpoint::DeviceProof,
    ),
];

/// The optional endpoints of an application.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered {
    /// The endpoints of the navigation variant.
    pub(super) navigation: bool,
    /// `/jwks`.
    pub(super) keys: bool,
    /// `/frontchannel-logout`.
    pub(super) frontchannel_logout: bool,
    /// `/dbsc/register`. Bound sessions continue without this endpoint.
    pub(super) device_registration: bool,
}

impl Offered {
    /// The optional endpoints for this configuration.
    pub(super) fn by(config: &Config) -> Offered {
        Offered {
            navigation: config.navigation_redirect_uri().is_some(),
            keys: !config.client_keys().signing.is_empty(),
            frontchannel_logout: config.client.frontchannel_logout,
            device_registration: config.session.device_binding != DeviceBinding::Off,
        }
    }

    /// Whether the application has the endpoint.
    pub(super) fn has(self, endpoint: Endpoint) -> bool {
        match endpoint {
            Endpoint::Login | Endpoint::Callback | Endpoint::LogoutByNavigation => self.navigation,
            Endpoint::Jwks => self.keys,
            Endpoint::FrontchannelLogout => self.frontchannel_logout,
            Endpoint::DeviceRegistration => self.device_registration,
            Endpoint::LoginStart
            | Endpoint::LoginEnd
            | Endpoint::UserInfo
            | Endpoint::Claims
            | Endpoint::Refresh
            | Endpoint::Touch
            | Endpoint::Logout
            | Endpoint::Session
            | Endpoint::BackchannelLogout
            | Endpoint::DeviceProof => true,
        }
    }
}

/// A path, with its endpoints.
#[derive(Clone, Debug)]
pub(super) struct Route {
    endpoints: Vec<Endpoint>,
}

impl Route {
    /// The route of `path`, which is compared exactly as it was sent: there are no alternative spellings.
    pub(super) fn find(path: &str, prefix: &str, offered: Offered) -> Option<Route> {
        let path = path.strip_prefix(prefix)?;
        let endpoints: Vec<Endpoint> = ENDPOINTS
            .iter()
            .filter(|(at, ..)| *at == path)
            .map(|(.., endpoint)| *endpoint)
            .filter(|endpoint| offered.has(*endpoint))
            .collect();
        (!endpoints.is_empty()).then_some(Route { endpoints })
    }

    /// The endpoint for this method.
    pub(super) fn endpoint(&self, method: &Method) -> Option<Endpoint> {
        let mut endpoints = self.endpoints.iter().copied();
        match *method {
            Method::HEAD => endpoints.find(|endpoint| endpoint.has_head()),
            _ => endpoints.find(|endpoint| endpoint.method() == *method),
        }
    }

    /// The first endpoint of the path.
    pub(super) fn main(&self) -> Option<Endpoint> {
        self.endpoints.first().copied()
    }

    /// The methods of the path, for `Allow`.
    pub(super) fn allow(&self) -> String {
        let mut methods: Vec<String> = Vec::new();
        for endpoint in &self.endpoints {
            methods.push(endpoint.method().as_str().to_owned());
            if endpoint.has_head() {
                methods.push("HEAD".to_owned());
            }
        }
        methods.push("OPTIONS".to_owned());
        methods.join(", ")
    }

    /// The methods that a page may use, for CORS.
    pub(super) fn methods_for_pages(&self) -> String {
        let methods = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.caller() == Caller::Page);
        methods
            .map(|endpoint| endpoint.method().as_str().to_owned())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl Endpoint {
    /// The method.
    pub(super) fn method(self) -> Method {
        self.row().map_or(Method::GET, |(_, method, ..)| method.clone())
    }

    /// Whether the endpoint answers HEAD, without a side effect (RFC 9110, section 9.3.2).
    fn has_head(self) -> bool {
        match self {
            Endpoint::Session | Endpoint::UserInfo | Endpoint::Claims | Endpoint::Jwks | Endpoint::Login => true,
            Endpoint::LoginStart
            | Endpoint::LoginEnd
            | Endpoint::Refresh
            | Endpoint::Touch
            | Endpoint::Logout
            | Endpoint::Callback
            | Endpoint::LogoutByNavigation
            | Endpoint::BackchannelLogout
            | Endpoint::FrontchannelLogout
            | Endpoint::DeviceRegistration
            | Endpoint::DeviceProof => false,
        }
    }

    /// The expected type of the body.
    pub(super) fn body(self) -> BodyKind {
        match self {
            Endpoint::BackchannelLogout => BodyKind::Form,
            Endpoint::LoginStart
            | Endpoint::LoginEnd
            | Endpoint::UserInfo
            | Endpoint::Claims
            | Endpoint::Refresh
            | Endpoint::Touch
            | Endpoint::Logout
            | Endpoint::Session
            | Endpoint::Login
            | Endpoint::Callback
            | Endpoint::LogoutByNavigation
            | Endpoint::FrontchannelLogout
            | Endpoint::Jwks
            | Endpoint::DeviceRegistration
            | Endpoint::DeviceProof => BodyKind::Json,
        }
    }

    /// The path below the prefix.
    pub(super) fn path(self) -> &'static str {
        self.row().map_or("", |(path, ..)| *path)
    }

    /// The name in metrics and in the log.
    pub(super) fn name(self) -> &'static str {
        self.row().map_or("unknown", |(_, _, name, ..)| name)
    }

    /// The caller.
    pub(super) fn caller(self) -> Caller {
        self.row().map_or(Caller::Page, |(_, _, _, caller, _)| *caller)
    }

    fn row(self) -> Option<&'static (&'static str, Method, &'static str, Caller, Endpoint)> {
        ENDPOINTS.iter().find(|(.., endpoint)| *endpoint == self)
    }
}
