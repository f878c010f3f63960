//! django-oauth-toolkit, with Django and what serves it, from PyPI.

use std::ffi::OsString;

use crate::result::Result;
use crate::tools::node::Node;
use crate::tools::venv::Environment;

const ENVIRONMENT: Environment = Environment {
    name: "django-oauth-toolkit",
    version: "3.4.1",
    packages: &[
        "django-oauth-toolkit==3.4.1",
        "Django==5.2.19",
        "oauthlib==4.0.1",
        "jwcrypto==1.6.1",
        "waitress==3.0.2",
    ],
};

/// Fetches django-oauth-toolkit. The value is the path of a Python with these packages.
pub(super) fn fetch(_: &Node) -> Result<(&'static str, OsString)> {
    let programs = ENVIRONMENT.fetch()?;
    Ok(("INTEROP_DJANGO_OAUTH_TOOLKIT", programs.join("python").into()))
}
