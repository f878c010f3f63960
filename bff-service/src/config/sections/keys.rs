//! `[keys]`: the keys that seal the cookies.

use std::path::PathBuf;

use crate::config::secret::Secret;

section! {
    /// The keys that seal the cookies.
    pub struct Keys at "keys." {
        /// Cookie keys, comma-separated, each of 64 hexadecimal digits or of 32 bytes in base64. The first key seals,
        /// and all keys open. Demo mode only.
        pub(in crate::config) ring: Option<Secret> = None;
        /// File that contains the cookie keys, comma-separated, each of 64 hexadecimal digits or of 32 bytes in base64.
        /// The first key seals, and all keys open.
        pub(in crate::config) file: Option<PathBuf> = None;
    }
}
