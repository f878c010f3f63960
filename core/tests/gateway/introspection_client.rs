//! Client authentication of the gateway at the authorization server.

use bff_core::gateway::authorization_server::ServerRequest;
use bff_core::gateway::effect::{Command, Effect};
use serde_json::{Value, json};

use crate::support::*;

fn request(changes: Value) -> ServerRequest {
    let mut gateway = gateway(changes);
    let mut effects = gateway.ask(1, &valid("GET", "token"), NOW).into_iter();
    let request = effects.find_map(|effect| match effect {
        Effect::Run(Command::CallOut { request, .. }) => Some(request),
        _ => None,
    });
    request.expect("a callout")
}

fn header(request: &ServerRequest, name: &str) -> Option<String> {
    let mut found = request.headers.iter().filter(|(found, _)| *found == name);
    let value = found.next().map(|(_, value)| value.to_string());
    assert!(found.next().is_none(), "{name} twice");
    value
}

#[test]
fn with_client_secret_post_id_and_secret_are_in_the_form_and_in_no_header() {
    let request = request(json!({"phantom_token": {
        "client_id": "a client", "client_authentication": "client_secret_post",
    }}));
    assert_eq!(header(&request, "authorization"), None);
    assert_eq!(
        std::str::from_utf8(&request.body).unwrap(),
        "token_type_hint=access_token&token=token&client_id=a%20client&client_secret=a%20secret%3A%26%25"
    );
}

#[test]
fn basic_is_what_it_is_without_a_word_on_it() {
    let (said, unsaid) = (
        request(json!({"phantom_token": {"client_authentication": "client_secret_basic"}})),
        request(json!({})),
    );
    assert_eq!(header(&said, "authorization"), header(&unsaid, "authorization"));
    assert_eq!(said.body, unsaid.body);
}

#[test]
fn a_401_comes_with_a_hint_where_the_credentials_have_what_many_servers_do_not_decode() {
    let why = |id: &str, secret: &str, authentication: &str, status: u16, error: &str| {
        let mut gateway = gateway(json!({"phantom_token": {
            "client_id": id, "client_secret": {"env": null, "inline": secret}, "client_authentication": authentication,
        }}));
        let (_, id) = flight(&gateway.ask(1, &valid("GET", "token"), NOW)).expect("a callout");
        let body = json!({"error": error}).to_string();
        let (refused, why) =
            rejection(&gateway.on_server_response(id, &response(status, "application/json", &[], &body), NOW));
        assert_eq!(refused, 502);
        why
    };
    for (status, error) in [(401, "invalid_client"), (400, "invalid_client")] {
        for secret in ["a+b", "a/b", "ab==", "a:b", "100%", "a b"] {
            let basic = why("gateway", secret, "client_secret_basic", status, error);
            assert!(
                basic.contains("try client_authentication: client_secret_post"),
                "{basic}"
            );
            let post = why("gateway", secret, "client_secret_post", status, error);
            assert!(post.contains("check client_id, client_secret"), "{post}");
        }
        let url = why("https://client.example", "plain", "client_secret_basic", status, error);
        assert!(url.contains("client_secret_post"), "{url}");
        let plain = why("gateway", "abc-DEF_123", "client_secret_basic", status, error);
        assert!(plain.contains("check client_id, client_secret"), "{plain}");
    }
}

#[test]
fn a_server_behind_an_inner_http_port_is_told_that_its_endpoint_is_asked_over_tls() {
    assert_eq!(
        header(&request(json!({})), "x-forwarded-proto"),
        Some("https".to_owned())
    );
    let inner = json!({"phantom_token": {"introspection_endpoint": "http://hydra-admin:4445/introspect"}});
    assert_eq!(header(&request(inner), "x-forwarded-proto"), None);
}
