//! A configuration file with two applications, for tests of their isolation.

/// The cookie keys of each application.
pub(crate) const KEYS: [&str; 2] = [
    "8f3a1c5e7b9d02468ace13579bdf0246fedcba98765432100f1e2d3c4b5a6978",
    "1d2c3b4a5968778695a4b3c2d1e0f0f1e2d3c4b5a69788796a5b4c3d2e1f0011",
];

/// Returns the file, with these lines in the section of each application.
pub(crate) fn two(first: &str, second: &str) -> String {
    format!(
        "[authorization_server]\nissuer = \"https://login.example.com\"\n\
         [applications.brand-a]\nhosts = [\"api.brand-a.com\"]\n\
         trusted_web_origins = [\"https://www.brand-a.com\"]\n{first}\n\
         [applications.brand-a.client]\nid = \"a\"\nredirect_uri = \"https://www.brand-a.com/\"\n\
         [applications.brand-b]\nhosts = [\"api.brand-b.com\"]\n\
         trusted_web_origins = [\"https://www.brand-b.com\"]\n{second}\n\
         [applications.brand-b.client]\nid = \"b\"\nredirect_uri = \"https://www.brand-b.com/\"\n"
    )
}

/// Returns the value of an environment variable with a secret.
pub(crate) fn env(name: &str) -> Option<String> {
    match name {
        "BFF_CLIENT_SECRET" => Some("the same for both".to_owned()),
        "BFF_APPLICATIONS__BRAND_A__COOKIE_KEYS" => Some(KEYS[0].to_owned()),
        "BFF_APPLICATIONS__BRAND_B__COOKIE_KEYS" => Some(KEYS[1].to_owned()),
        _ => None,
    }
}
