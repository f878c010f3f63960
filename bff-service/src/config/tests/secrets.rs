//! The sources of secrets; no secret is displayed.

use super::*;

#[test]
fn a_secret_in_the_file_is_refused_outside_demo_mode_without_showing_it() {
    let error = with("client: secret = \"hunter2\"").unwrap_err().to_string();
    assert!(
        error.contains("client.secret: ") && error.contains("BFF_CLIENT_SECRET"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_secret_comes_from_the_file_that_is_named_without_its_last_line_break() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client-secret");
    std::fs::write(&path, "from-a-file\n").unwrap();
    let by_field = text_with(&format!("client: secret_file = {:?}", path.to_str().unwrap()));
    let only_keys = |name: &str| environment(name).filter(|_| name == "BFF_COOKIE_KEYS");
    let config = Config::parse(&by_field, only_keys).unwrap();
    assert_eq!(config.client_secret().unwrap().expose(), "from-a-file");
    let by_variable = |name: &str| match name {
        "BFF_CLIENT_SECRET_FILE" => Some(path.to_str().unwrap().to_owned()),
        name => only_keys(name),
    };
    let config = Config::parse(EXAMPLE, by_variable).unwrap();
    assert_eq!(config.client_secret().unwrap().expose(), "from-a-file");
}

#[test]
fn a_secret_from_nowhere_twice_or_from_an_empty_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty");
    std::fs::write(&path, "\n").unwrap();
    let env = |secret: Option<&'static str>, file: Option<String>| {
        move |name: &str| match name {
            "BFF_CLIENT_SECRET" => secret.map(str::to_owned),
            "BFF_CLIENT_SECRET_FILE" => file.clone(),
            name => environment(name),
        }
    };
    let empty = path.to_str().map(str::to_owned);
    for (secret, file) in [
        (None, None),
        (Some("a"), empty.clone()),
        (None, empty),
        (Some(" "), None),
    ] {
        assert_eq!(fields(Config::parse(EXAMPLE, env(secret, file))), ["client.secret"]);
    }
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", Config::parse(EXAMPLE, environment).unwrap());
    assert!(!shown.contains("s3cret") && !shown.contains(KEY), "{shown}");
}

#[test]
fn an_error_in_the_toml_names_the_line_and_does_not_quote_it() {
    for broken in [
        "client.secret = \"hunter2",
        "client.secret = hunter2",
        "client.secret = \"hunter2\" x",
    ] {
        let error = Config::parse(&format!("demo = true\n{broken}\n"), environment)
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_secret_file_with_a_byte_order_mark_is_refused_since_nobody_would_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client-secret");
    std::fs::write(&path, "\u{feff}hunter2\r\n").unwrap();
    let text = text_with(&format!("client: secret_file = {:?}", path.to_str().unwrap()));
    let only_keys = |name: &str| environment(name).filter(|_| name == "BFF_COOKIE_KEYS");
    let error = Config::parse(&text, only_keys).unwrap_err();
    assert_eq!(error.errors()[0].field(), "client.secret_file");
    let error = error.to_string();
    assert!(
        error.contains("byte order mark") && !error.contains("hunter2"),
        "{error}"
    );
    let by_variable = |name: &str| match name {
        "BFF_CLIENT_SECRET" => Some("\u{feff}hunter2".to_owned()),
        name => only_keys(name),
    };
    assert!(
        Config::parse(EXAMPLE, by_variable)
            .unwrap_err()
            .to_string()
            .contains("byte order mark")
    );
}

#[test]
fn a_token_of_operators_that_could_be_guessed_is_refused() {
    let valid = "0123456789abcdef0123456789abcdef";
    let with_token = |token: &str| {
        let token = token.to_owned();
        Config::parse(EXAMPLE, move |name| match name {
            "BFF_ADMIN_TOKEN" => Some(token.clone()),
            name => environment(name),
        })
    };
    let config = with_token(valid).unwrap();
    assert_eq!(config.admin_token().unwrap().expose(), valid);
    assert!(Config::parse(EXAMPLE, environment).unwrap().admin_token().is_none());
    for invalid in [
        &valid[1..],
        "0123456789abcdef 123456789abcdef",
        "",
        "0123456789abcdef0123456789abcdé",
    ] {
        let error = with_token(invalid).unwrap_err();
        assert_eq!(error.errors()[0].field(), "admin.token", "{invalid}");
        assert!(invalid.is_empty() || !error.to_string().contains(invalid), "{error}");
    }
    let in_file = super::with("admin: token = \"0123456789abcdef0123456789abcdef\"").unwrap_err();
    assert!(in_file.to_string().contains("demo mode only"), "{in_file}");
}
