//! `[authorize]`: the gateway for proxies that ask an HTTP service.

use std::path::PathBuf;

section! {
    /// `/authorize` on the admin listener: the filter's rules for proxies that ask an HTTP service.
    pub struct Authorize at "authorize." {
        /// JSON file with the filter's plugin configuration, whose rules `/authorize` applies. If unset, `/authorize`
        /// is disabled.
        pub(in crate::config) plugin_configuration_file: Option<PathBuf> = None;
        /// Request header in which the proxy sends the method of the original request, such as `x-original-method`. The
        /// proxy must replace any value that a client sends. If unset, the proxy must send the original method as the
        /// method of its own request.
        pub(in crate::config) method_header: Option<String> = None;
    }
}
