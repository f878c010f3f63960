//! Two authorization servers with the same redirect URI.

use crate::config::parse;
use crate::oauth::metadata::examine;

const KEYS: [&str; 2] = [
    "8f3a1c5e7b9d02468ace13579bdf0246fedcba98765432100f1e2d3c4b5a6978",
    "1d2c3b4a5968778695a4b3c2d1e0f0f1e2d3c4b5a69788796a5b4c3d2e1f0011",
];

fn two(first: &str, second: &str) -> String {
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

fn env(name: &str) -> Option<String> {
    match name {
        "BFF_CLIENT_SECRET" => Some("the same for both".to_owned()),
        "BFF_APPLICATIONS__BRAND_A__COOKIE_KEYS" => Some(KEYS[0].to_owned()),
        "BFF_APPLICATIONS__BRAND_B__COOKIE_KEYS" => Some(KEYS[1].to_owned()),
        _ => None,
    }
}

#[test]
fn two_issuers_at_one_redirect_uri_are_refused_unless_both_announce_iss() {
    let other_issuer = "authorization_server.issuer = \"https://login.other.example\"";
    let shared = |second: &str| {
        two("", second)
            .replace("https://www.brand-b.com", "https://www.brand-a.com")
            .replace("client]\n", "client]\nresponse_mode = \"MODE\"\n")
    };
    for (text, mode, announced, refused) in [
        (two("", other_issuer), "", [false, false], [false, false]),
        (shared(""), "query", [false, false], [false, false]),
        (shared(other_issuer), "query", [false, false], [true, true]),
        // The responses of the other one have no issuer, and could be mistaken for those of this one.
        (shared(other_issuer), "query", [true, false], [false, true]),
        (shared(other_issuer), "query", [false, true], [true, false]),
        (shared(other_issuer), "query", [true, true], [false, false]),
        // A signed response contains its issuer.
        (shared(other_issuer), "jwt", [false, false], [false, false]),
    ] {
        let configs = parse(&text.replace("MODE", mode), env).unwrap();
        for ((config, announced), refused) in configs.into_iter().zip(announced).zip(refused) {
            let issuer = &config.authorization_server.issuer;
            let document = serde_json::json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/jwks"),
                "authorization_response_iss_parameter_supported": announced,
            });
            let examined = examine(&serde_json::from_value(document).unwrap(), &config, true);
            let told = examined.faults.iter().any(|fault| fault.contains("same redirect_uri"));
            assert_eq!(
                (told, examined.metadata.is_none()),
                (refused, refused),
                "{:?}",
                examined.faults
            );
        }
    }
}
