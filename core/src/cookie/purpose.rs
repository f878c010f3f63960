//! The cookies: what each of them is for. A new cookie begins here: its number in sealed values, the end of its name, and how far
//! it is sent.

/// What a cookie is for. Part of the associated data of what is sealed in it.
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
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Login,
        Self::AccessToken,
        Self::RefreshToken,
        Self::IdToken,
        Self::Csrf,
        Self::NavigationLogin,
    ];

    /// The number that stands in sealed values. It is in every cookie in use: it never changes.
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

    /// The end of the cookie's name.
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

    /// Whether the cookie is sent to the BFF's endpoints alone, unless it is configured to have Path `/` as the others have.
    pub const fn is_for_endpoints_alone(self) -> bool {
        match self {
            Self::RefreshToken | Self::IdToken => true,
            Self::Login | Self::NavigationLogin | Self::AccessToken | Self::Csrf => false,
        }
    }
}
