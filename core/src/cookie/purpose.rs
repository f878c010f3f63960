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
    /// The proof, for some minutes, that the browser has the key to which the session is bound.
    DeviceBinding,
    /// The public key to which the session is bound.
    DeviceKey,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 8] = [
        Self::Login,
        Self::AccessToken,
        Self::RefreshToken,
        Self::IdToken,
        Self::Csrf,
        Self::NavigationLogin,
        Self::DeviceBinding,
        Self::DeviceKey,
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
            Self::DeviceBinding => 7,
            Self::DeviceKey => 8,
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
            Self::DeviceBinding => "bound",
            Self::DeviceKey => "key",
        }
    }

    /// Whether the cookie is sent only to the BFF's endpoints, unless it is configured to have Path `/` as others have.
    pub const fn is_for_endpoints_alone(self) -> bool {
        match self {
            Self::RefreshToken | Self::IdToken | Self::DeviceKey => true,
            Self::Login | Self::NavigationLogin | Self::AccessToken | Self::Csrf | Self::DeviceBinding => false,
        }
    }
}
