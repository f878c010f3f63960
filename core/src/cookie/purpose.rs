//! The purposes of the cookies. A new cookie begins here: with its number in sealed values, the suffix of its name, and
//! the paths to which it is sent.

/// The purpose of a cookie. It is part of the associated data of the sealed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Pending logins that a page finishes.
    Login,
    /// The access token.
    AccessToken,
    /// The refresh token.
    RefreshToken,
    /// The ID token.
    IdToken,
    /// The CSRF value.
    Csrf,
    /// Pending logins that a navigation finishes.
    NavigationLogin,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 6] = [
        Self::Login,
        Self::AccessToken,
        Self::RefreshToken,
        Self::IdToken,
        Self::Csrf,
        Self::NavigationLogin,
    ];

    /// The number in the associated data of sealed values. It never changes: every cookie in use is sealed with it.
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Login => 1,
            Self::AccessToken => 2,
            Self::RefreshToken => 3,
            Self::IdToken => 4,
            Self::Csrf => 5,
            Self::NavigationLogin => 6,
        }
    }

    /// The suffix of the cookie's name.
    pub(crate) const fn name_suffix(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::NavigationLogin => "nav",
            Self::AccessToken => "at",
            Self::RefreshToken => "auth",
            Self::IdToken => "id",
            Self::Csrf => "csrf",
        }
    }

    /// Whether the cookie is sent only to the BFF's endpoints, unless it is configured to have Path `/` as others have.
    pub const fn is_for_endpoints_alone(self) -> bool {
        match self {
            Self::RefreshToken | Self::IdToken => true,
            Self::Login | Self::NavigationLogin | Self::AccessToken | Self::Csrf => false,
        }
    }
}
