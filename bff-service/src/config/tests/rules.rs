//! Valid values and combinations.

use super::*;

#[test]
fn values_out_of_their_rules_are_refused_by_their_field() {
    let cases = [
        ("endpoints_prefix = \"bff\"", "endpoints_prefix"),
        ("endpoints_prefix = \"/bff/\"", "endpoints_prefix"),
        ("endpoints_prefix = \"/\"", "endpoints_prefix"),
        ("endpoints_prefix = \"/a/../b\"", "endpoints_prefix"),
        ("cookie_name_prefix = \"a b\"", "cookie_name_prefix"),
        ("cookie_domain = \".example.com\"", "cookie_domain"),
        ("cookie_domain = \"example.com; Path=/\"", "cookie_domain"),
        ("max_cookie_parts = 0", "max_cookie_parts"),
        ("trusted_web_origins = []", "trusted_web_origins"),
        ("trusted_web_origins = [\"*\"]", "trusted_web_origins"),
        (
            "authorization_server: issuer = \"https://login.example.com?a=b\"",
            "authorization_server.issuer",
        ),
        (
            "authorization_server: issuer = \"https://login.example.com#a\"",
            "authorization_server.issuer",
        ),
        (
            "authorization_server: issuer = \"login.example.com\"",
            "authorization_server.issuer",
        ),
        (
            "authorization_server: token_endpoint = \"http://login.example.com/token\"",
            "authorization_server.token_endpoint",
        ),
        (
            "authorization_server: id_token_algorithms = [\"HS256\"]",
            "authorization_server.id_token_algorithms",
        ),
        (
            "authorization_server: id_token_algorithms = [\"none\"]",
            "authorization_server.id_token_algorithms",
        ),
        (
            "authorization_server: id_token_algorithms = []",
            "authorization_server.id_token_algorithms",
        ),
        (
            "authorization_server: clock_skew_seconds = 61",
            "authorization_server.clock_skew_seconds",
        ),
        (
            "authorization_server: request_timeout_ms = 0",
            "authorization_server.request_timeout_ms",
        ),
        ("client: id = \"\"", "client.id"),
        ("client: scope = \"profile\"", "client.scope"),
        (
            "client: redirect_uri = \"https://evil.example.com/\"",
            "client.redirect_uri",
        ),
        (
            "client: redirect_uri = \"http://www.example.com/\"",
            "client.redirect_uri",
        ),
        ("client: redirect_uri = \"\"", "client.redirect_uri"),
        (
            "client: post_logout_redirect_uri = \"https://evil.example.com/\"",
            "client.post_logout_redirect_uri",
        ),
        (
            "client: allowed_extra_params = [\"prompt\", \"redirect_uri\"]",
            "client.allowed_extra_params",
        ),
        (
            "client: allowed_extra_params = [\"response_mode\"]",
            "client.allowed_extra_params",
        ),
        ("session: login_seconds = 0", "session.login_seconds"),
        ("server: admin_port = 3003", "server.admin_port"),
        ("server: address = \"localhost\"", "server.address"),
    ];
    for (line, field) in cases {
        assert_eq!(fields(with(line)), [field], "{line}");
    }
}

#[test]
fn a_cookie_domain_that_no_browser_takes_is_refused_and_any_other_warns() {
    let told = |top: &str| Config::parse(&text_with(top), environment);
    for (domain, expected) in [
        ("lima", "top-level domain"),
        ("localhost", "top-level domain"),
        ("192.0.2.1", "IP address"),
        (".example.com", "without a dot"),
        ("example..com", "without a dot"),
        ("example.com/", "without a dot"),
    ] {
        let error = told(&format!("cookie_domain = \"{domain}\"")).unwrap_err().to_string();
        assert!(
            error.contains("cookie_domain") && error.contains(expected),
            "{domain}: {error}"
        );
    }
    let outside = "cookie_domain = \"example.com\"\nhosts = [\"api.example.com:8443\", \"api.notexample.com\"]";
    let error = told(outside).unwrap_err().to_string();
    assert!(
        error.contains("`api.notexample.com`") && !error.contains("8443"),
        "{error}"
    );
    let warnings = |top: &str| told(top).unwrap().warnings().to_vec();
    let within = "cookie_domain = \"example.com\"\nhosts = [\"API.example.com:8443\", \"example.com\"]";
    assert!(
        warnings(within)[0].contains("to every host below it"),
        "{:?}",
        warnings(within)
    );
    assert_eq!(warnings(within).len(), 1);
    assert_eq!(warnings("cookie_domain = \"co.uk\"").len(), 2);
    assert!(warnings("cookie_hardening = \"none\"")[0].contains("sibling domain"));
    assert!(told("former_endpoints_prefixes = [\"auth\"]").is_err());
}

#[test]
fn without_discovery_the_endpoints_are_required() {
    let found = fields(with("authorization_server: discovery = false"));
    let required =
        ["authorization_endpoint", "token_endpoint", "jwks_uri"].map(|name| format!("authorization_server.{name}"));
    assert_eq!(found, required);
}

#[test]
fn plain_http_is_accepted_in_demo_mode_only_and_demo_mode_warns() {
    let http = "authorization_server: issuer = \"http://127.0.0.1:3004\"";
    assert_eq!(fields(with(http)), ["authorization_server.issuer"]);
    let config = Config::parse(&format!("demo = true\n{}", text_with(http)), environment).unwrap();
    assert!(config.warnings().iter().any(|warning| warning.contains("`demo`")));
}

#[test]
fn what_cannot_work_together_is_refused_whatever_the_server_says() {
    for (line, field) in [
        ("client: authentication = \"private_key_jwt\"", "client.authentication"),
        ("client: authentication = \"tls_client_auth\"", "client.authentication"),
        (
            "client: authentication = \"self_signed_tls_client_auth\"",
            "client.authentication",
        ),
        (
            "client: authentication = \"client_secret_jwt\"",
            "client.authentication",
        ),
        ("client: signed_request_objects = true", "client.signed_request_objects"),
        ("client: signing_key_files = [\"/nowhere\"]", "client.signing_key_files"),
        ("client: signing_algorithm = \"HS256\"", "client.signing_algorithm"),
        ("client: dpop_key_file = \"/nowhere\"", "client.dpop_key_file"),
        ("client: certificate_file = \"/nowhere\"", "client.certificate_key_file"),
        ("client: certificate_key_file = \"/nowhere\"", "client.certificate_file"),
        ("client: resource = [\"orders\"]", "client.resource"),
        ("client: response_mode = \"form_post\"", "client.response_mode"),
        (
            "navigation: redirect_uri = \"https://api.example.com/elsewhere\"",
            "navigation.redirect_uri",
        ),
        (
            "navigation: web_origin = \"https://evil.example\"",
            "navigation.web_origin",
        ),
        ("redis: url = \"redis://user:secret@host\"", "redis.url"),
        ("redis: timeout_ms = 0", "redis.timeout_ms"),
        ("session: ended_entries = 0", "session.ended_entries"),
        ("cors_allowed_headers = [\"*\"]", "cors_allowed_headers"),
        ("cors_allowed_headers = [\"x-*\", \"x*\"]", "cors_allowed_headers"),
        ("cors_allowed_headers = [\"a b\"]", "cors_allowed_headers"),
        ("cors_allowed_headers = [\"-*\"]", "cors_allowed_headers"),
        ("hosts = [\"https://api.example.com\"]", "hosts"),
    ] {
        let error = with(line).unwrap_err();
        assert_eq!(error.errors()[0].field(), field, "{line}: {error}");
        assert!(!error.to_string().contains("secret@"), "{error}");
    }
}

#[test]
fn faults_in_the_rules_of_authorize_name_the_file_and_the_field_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorize.json");
    let told = |rules: &str, further: &str| {
        std::fs::write(&file, rules).unwrap();
        let settings = format!("plugin_configuration_file = \"{}\"\n{further}\n", file.display());
        let text = EXAMPLE.replace("[authorize]\n", &format!("[authorize]\n{settings}"));
        Config::parse(&text, environment)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let rules = r#"{"bff_token": {"cookie_name_prefix": "example", "encryption_key": {"env": "BFF_COOKIE_KEYS"}, "trusted_web_origins": ["https://www.example.com"]}}"#;
    assert_eq!(told(rules, ""), Ok(()));
    for (rules, further, expected) in [
        ("{", "", "authorize.plugin_configuration_file"),
        (
            &rules.replace("https://www", "www"),
            "",
            "bff_token.trusted_web_origins",
        ),
        (
            &rules.replace("BFF_COOKIE_KEYS", "NOTHING"),
            "",
            "bff_token.encryption_key",
        ),
        (rules, "method_header = \"x y\"", "authorize.method_header"),
    ] {
        let message = told(rules, further).unwrap_err();
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(!message.contains(KEY), "{message}");
    }
    std::fs::write(&file, rules.replace("BFF_COOKIE_KEYS", "GATEWAY_KEYS")).unwrap();
    let settings = format!("[authorize]\nplugin_configuration_file = \"{}\"\n", file.display());
    let unreadable = |name: &str| match name {
        "GATEWAY_KEYS_FILE" => Some("/nowhere/keys".to_owned()),
        other => environment(other),
    };
    let message = Config::parse(&EXAMPLE.replace("[authorize]\n", &settings), unreadable)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("GATEWAY_KEYS_FILE: reading /nowhere/keys failed: "),
        "{message}"
    );
    let missing = EXAMPLE.replace(
        "[authorize]\n",
        "[authorize]\nplugin_configuration_file = \"/nowhere.json\"\n",
    );
    let message = Config::parse(&missing, environment).unwrap_err().to_string();
    assert!(message.contains("/nowhere.json"), "{message}");
    let alone = EXAMPLE.replace("[authorize]\n", "[authorize]\nmethod_header = \"x-original-method\"\n");
    assert!(Config::parse(&alone, environment).is_err());
}

#[test]
fn a_proxy_url_that_cannot_be_meant_is_refused_by_its_variable_and_its_password_is_not_repeated() {
    for (variable, value) in [
        ("HTTPS_PROXY", "socks5://user:passphrase@proxy.example.com:1080"),
        ("https_proxy", "http://user:passphrase@proxy.example.com:port"),
    ] {
        let env = |name: &str| match name == variable {
            true => Some(value.to_owned()),
            false => environment(name),
        };
        let error = Config::parse(EXAMPLE, env).unwrap_err();
        assert_eq!(error.errors()[0].field(), variable);
        assert!(!error.to_string().contains("passphrase"), "{error}");
    }
}

#[test]
fn a_browser_must_know_which_requests_need_the_proof_of_the_device() {
    let text = |top: &str| {
        let text = text_with("session: device_binding = \"where_supported\"");
        Config::parse(&format!("{top}\n{text}"), environment)
    };
    for top in [
        "",
        "hosts = [\"a.example.com\", \"b.example.com:8443\", \"[::1]\", \"[::2]\"]",
        "cookie_domain = \"example.com\"\nhosts = [\"a.example.com\", \"a.example.com:8443\"]",
    ] {
        assert!(text(top).is_ok(), "{top}");
    }
    for top in [
        "cookie_domain = \"example.com\"",
        "hosts = [\"a.example.com\", \"b.example.com\", \"A.example.com:8443\"]",
        "hosts = [\"[::1]\", \"[::1]:8443\"]",
    ] {
        assert_eq!(fields(text(top)), ["session.device_binding"], "{top}");
    }
    // Without binding, all of them are valid.
    assert!(with("hosts = [\"[::1]\", \"[::1]:8443\"]").is_ok());
}
