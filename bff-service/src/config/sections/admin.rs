//! `[admin]`: the credential of operators.

use std::path::PathBuf;

use crate::config::secret::Secret;

section! {
    /// The credential of operators.
    pub struct Admin at "admin." {
        /// Token with which an operator may end sessions by `POST /end-sessions` (`/end-sessions/<application>` with
        /// several applications) on the admin listener: at least 32 characters, such as the output of
        /// `openssl rand -hex 32`, and not a secret that is used elsewhere. If there is no token, there is no such
        /// endpoint. Demo mode only.
        pub(in crate::config) token: Option<Secret> = None;
        /// File that contains the value of `admin.token`. The service ignores line breaks at its end.
        pub(in crate::config) token_file: Option<PathBuf> = None;
    }
}
