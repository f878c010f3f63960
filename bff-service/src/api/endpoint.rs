//! Which endpoints there are.

use actix_web::http::Method;

use super::body::BodyKind;
use crate::config::Config;

/// The endpoints.
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
}

/// Who calls an endpoint, and so by which marks a call is known to be meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caller {
    /// The application's page, by fetch: with its Origin.
    Page,
    /// The browser, going from one page to another.
    Navigation,
    /// The authorization server, or a frame of it in the browser; what it brings proves it.
    AuthorizationServer,
}

/// Every endpoint: path, method, name in metrics and in the log, caller. Where a path has several, they come one after
/// the other.
pub(super) static ENDPOINTS: [(&str, Method, &str, Caller, Endpoint); 13] = [
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
];

/// Which endpoints an application has besides those of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered {
    /// The navigation variant.
    pub(super) navigation: bool,
    /// Public keys of the client.
    pub(super) keys: bool,
    /// Front-channel logout.
    pub(super) frontchannel_logout: bool,
}

impl Offered {
    /// Those of the application with this configuration.
    pub(super) fn by(config: &Config) -> Offered {
        Offered {
            navigation: config.navigation_redirect_uri().is_some(),
            keys: !config.client_keys().signing.is_empty(),
            frontchannel_logout: config.client.frontchannel_logout,
        }
    }

    /// Whether it has this one.
    pub(super) fn has(self, endpoint: Endpoint) -> bool {
        match endpoint {
            Endpoint::Login | Endpoint::Callback | Endpoint::LogoutByNavigation => self.navigation,
            Endpoint::Jwks => self.keys,
            Endpoint::FrontchannelLogout => self.frontchannel_logout,
            Endpoint::LoginStart
            | Endpoint::LoginEnd
            | Endpoint::UserInfo
            | Endpoint::Claims
            | Endpoint::Refresh
            | Endpoint::Logout
            | Endpoint::Session
            | Endpoint::BackchannelLogout => true,
        }
    }
}

/// A path, and the endpoints at it.
#[derive(Clone, Debug)]
pub(super) struct Route {
    endpoints: Vec<Endpoint>,
}

impl Route {
    /// What is at `path`, exactly as it was sent: no other spelling leads anywhere.
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

    /// The first endpoint: what the path is mainly there for.
    pub(super) fn main(&self) -> Option<Endpoint> {
        self.endpoints.first().copied()
    }

    /// The methods, for `Allow`.
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
    /// Its method.
    pub(super) fn method(self) -> Method {
        self.row().map_or(Method::GET, |(_, method, ..)| method.clone())
    }

    /// Whether it answers HEAD as GET (RFC 9110, section 9.3.2): where that can be without effect.
    fn has_head(self) -> bool {
        match self {
            Endpoint::Session | Endpoint::UserInfo | Endpoint::Claims | Endpoint::Jwks | Endpoint::Login => true,
            Endpoint::LoginStart
            | Endpoint::LoginEnd
            | Endpoint::Refresh
            | Endpoint::Logout
            | Endpoint::Callback
            | Endpoint::LogoutByNavigation
            | Endpoint::BackchannelLogout
            | Endpoint::FrontchannelLogout => false,
        }
    }

    /// What its body is to be, where there is one.
    pub(super) fn body(self) -> BodyKind {
        match self {
            Endpoint::BackchannelLogout => BodyKind::Form,
            Endpoint::LoginStart
            | Endpoint::LoginEnd
            | Endpoint::UserInfo
            | Endpoint::Claims
            | Endpoint::Refresh
            | Endpoint::Logout
            | Endpoint::Session
            | Endpoint::Login
            | Endpoint::Callback
            | Endpoint::LogoutByNavigation
            | Endpoint::FrontchannelLogout
            | Endpoint::Jwks => BodyKind::Json,
        }
    }

    /// Its path below the prefix.
    pub(super) fn path(self) -> &'static str {
        self.row().map_or("", |(path, ..)| *path)
    }

    /// Its name in metrics and in the log.
    pub(super) fn name(self) -> &'static str {
        self.row().map_or("unknown", |(_, _, name, ..)| name)
    }

    /// Who calls it.
    pub(super) fn caller(self) -> Caller {
        self.row().map_or(Caller::Page, |(_, _, _, caller, _)| *caller)
    }

    fn row(self) -> Option<&'static (&'static str, Method, &'static str, Caller, Endpoint)> {
        ENDPOINTS.iter().find(|(.., endpoint)| *endpoint == self)
    }
}
