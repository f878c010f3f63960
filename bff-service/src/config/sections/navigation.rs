//! `[navigation]`: signing in and out by navigation.

section! {
    /// The navigation variant: `GET /login`, `/callback` and `/logout`, for applications without code for it in their pages.
    pub struct Navigation at "navigation." {
        /// Where the browser comes back to after signing in by navigation: this API's own `/callback`. The variant is
        /// off without it.
        pub(in crate::config) redirect_uri: Option<String> = None;
        /// The origin that the paths in `returnTo` are of. Default: the first of `trusted_web_origins`.
        pub(in crate::config) web_origin: Option<String> = None;
    }
}
