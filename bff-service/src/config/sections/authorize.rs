//! `[authorize]`: the filter's rules for proxies that ask an HTTP service.

use std::path::PathBuf;

section! {
    /// `/authorize` on the admin listener: the filter's rules for proxies that ask an HTTP service.
    pub struct Authorize at "authorize." {
        /// File with the rules: the filter's plugin configuration, in JSON. Default: none, and no `/authorize`.
        pub(in crate::config) plugin_configuration_file: Option<PathBuf> = None;
        /// The header in which the proxy says the method of the request that it asks about, as `x-original-method`. The
        /// proxy must put it in place of whatever a client sends. Default: none, it asks with that method itself.
        pub(in crate::config) method_header: Option<String> = None;
    }
}
