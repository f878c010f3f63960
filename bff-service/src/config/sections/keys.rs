//! `[keys]`: the keys that seal the cookies.

use std::path::PathBuf;

use crate::config::secret::Secret;

section! {
    /// The keys that seal the cookies.
    pub struct Keys at "keys." {
        /// The cookie keys themselves, parted by commas. Demo mode only.
        pub(in crate::config) ring: Option<Secret> = None;
        /// File that holds the cookie keys, parted by commas; the first seals, all open.
        pub(in crate::config) file: Option<PathBuf> = None;
    }
}
