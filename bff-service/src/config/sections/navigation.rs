//! `[navigation]`: sign-in and sign-out by navigation.

section! {
    /// The navigation variant: `GET /login`, `/callback` and `/logout`, for applications whose pages have no code for
    /// sign-in and sign-out.
    pub struct Navigation at "navigation." {
        /// Redirect URI of the navigation variant: the `/callback` endpoint of the service. If unset, the navigation variant is
        /// disabled.
        pub(in crate::config) redirect_uri: Option<String> = None;
        /// Origin that the paths in `returnTo` belong to. If unset, the first of `trusted_web_origins`.
        pub(in crate::config) web_origin: Option<String> = None;
    }
}
