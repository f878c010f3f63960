//! Which endpoints there are.

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
}

impl Endpoint {
    /// The endpoint at `path`, exactly as it was sent: no other spelling leads anywhere.
    pub(super) fn find(path: &str, prefix: &str) -> Option<Endpoint> {
        match path.strip_prefix(prefix)? {
            "/login/start" => Some(Endpoint::LoginStart),
            "/login/end" => Some(Endpoint::LoginEnd),
            "/userInfo" => Some(Endpoint::UserInfo),
            "/claims" => Some(Endpoint::Claims),
            "/refresh" => Some(Endpoint::Refresh),
            "/logout" => Some(Endpoint::Logout),
            "/session" => Some(Endpoint::Session),
            _ => None,
        }
    }

    /// Its only method.
    pub(super) fn method_name(self) -> &'static str {
        match self {
            Endpoint::LoginStart | Endpoint::LoginEnd | Endpoint::Refresh | Endpoint::Logout => "POST",
            Endpoint::UserInfo | Endpoint::Claims | Endpoint::Session => "GET",
        }
    }

    /// Its `Allow` header.
    pub(super) fn allow(self) -> &'static str {
        match self.method_name() {
            "POST" => "POST, OPTIONS",
            _ => "GET, OPTIONS",
        }
    }

    /// Its name in metrics and in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Endpoint::LoginStart => "login_start",
            Endpoint::LoginEnd => "login_end",
            Endpoint::UserInfo => "user_info",
            Endpoint::Claims => "claims",
            Endpoint::Refresh => "refresh",
            Endpoint::Logout => "logout",
            Endpoint::Session => "session",
        }
    }
}
