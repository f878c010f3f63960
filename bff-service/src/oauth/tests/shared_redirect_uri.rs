//! Two authorization servers with the same redirect URI.

use crate::config::parse;
use crate::config::tests::two_applications::{env, two};
use crate::oauth::metadata::examine;

#[test]
fn two_issuers_at_one_redirect_uri_are_refused_unless_both_announce_iss() {
    let other_issuer = "authorization_server.issuer = \"https://login.other.example\"";
    let shared = |second: &str| {
        two("", second)
            .replace("https://www.brand-b.com", "https://www.brand-a.com")
            .replace("client]\n", "client]\nresponse_mode = \"MODE\"\n")
    };
    for (text, mode, announced, rejected) in [
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
        for ((config, announced), rejected) in configs.into_iter().zip(announced).zip(rejected) {
            let issuer = &config.authorization_server.issuer;
            let document = serde_json::json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/jwks"),
                "authorization_response_iss_parameter_supported": announced,
            });
            let examined = examine(&serde_json::from_value(document).unwrap(), &config, true);
            let told = examined.errors.iter().any(|error| error.contains("same redirect_uri"));
            assert_eq!(
                (told, examined.metadata.is_none()),
                (rejected, rejected),
                "{:?}",
                examined.errors
            );
        }
    }
}
