//! Code and refresh token grants, with valid and invalid responses of the authorization server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::oauth::IdTokenRequirements;

use super::fake_server::{FakeServer, Reply, Request, redirect_uri};
use super::log_lines;
use super::signer::{Signer, jwks};
use crate::clock;
use crate::oauth::error_meaning::OAuthErrorCode;
use crate::oauth::id_token::IdTokenError;
use crate::oauth::{OAuthError, TokenSet};

pub(super) const NONCE: &str = "n-0S6_WzA2Mj";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

pub(super) fn id_token(signer: &Signer, issuer: &str) -> String {
    let now = clock::now();
    signer.sign(&json!({
        "iss": issuer, "sub": "alice", "aud": "spa client", "iat": now, "exp": now + 300, "nonce": NONCE,
    }))
}

pub(super) fn tokens(id_token: &str) -> Value {
    json!({
        "access_token": "at-1", "token_type": "bearer", "expires_in": 300, "refresh_token": "rt-2",
        "id_token": id_token, "scope": "openid profile", "unknown": {"a": [1]},
    })
}

pub(super) fn unused(_: &Request) -> Reply {
    Reply::Close
}

/// A server whose token endpoint answers every request with this response.
fn server_with_token_reply(reply: Reply) -> FakeServer {
    FakeServer::authorization_server(&[&Signer::es256("1")], move |_| reply.clone())
}

pub(super) async fn exchange(server: &FakeServer, lines: &[&str]) -> Result<TokenSet, OAuthError> {
    server
        .client(lines)
        .exchange_code(
            "the code&client_id=evil",
            VERIFIER,
            &redirect_uri(),
            NONCE,
            &IdTokenRequirements::default(),
        )
        .await
}

async fn refresh(reply: Reply) -> OAuthError {
    server_with_token_reply(reply)
        .client(&[])
        .refresh("rt-1", None, None)
        .await
        .err()
        .unwrap()
}

/// A working server: its token endpoint issues tokens with a valid ID token.
pub(super) fn working_server() -> FakeServer {
    let signer = Signer::es256("1");
    let server = FakeServer::authorization_server(&[&signer], unused);
    let response = tokens(&id_token(&signer, &server.url("")));
    let (metadata, keys) = (server.metadata(), jwks([&signer]));
    server.answer_by(move |request| match request.path() {
        "/token" => Reply::Json(200, response.clone()),
        "/jwks" => Reply::Json(200, keys.clone()),
        _ => Reply::Json(200, metadata.clone()),
    });
    server
}

#[actix_web::test]
async fn a_code_is_exchanged_with_verifier_and_exact_redirect_uri() {
    let server = working_server();
    let tokens = exchange(&server, &[]).await.unwrap();
    assert_eq!(tokens.access_token, "at-1");
    assert_eq!(tokens.refresh_token.as_deref(), Some("rt-2"));
    assert_eq!(tokens.expires_in, Some(300));
    assert_eq!(tokens.id_token.as_ref().unwrap().claims["sub"], "alice");
    let form = server.requests("/token")[0].form();
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["code"], "the code&client_id=evil");
    assert_eq!(form["code_verifier"], VERIFIER);
    assert_eq!(form["redirect_uri"], "https://www.example.com/?a=b&c");
    assert_eq!(form.len(), 4, "{form:?}");
}

#[actix_web::test]
async fn client_secret_basic_is_form_encoded_first() {
    let server = working_server();
    exchange(&server, &[]).await.unwrap();
    let header = server.requests("/token")[0].headers["authorization"].clone();
    let credentials = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(credentials).unwrap(),
        "spa%20client:s3cret%3A%25%26%2B%C3%A4"
    );
}

#[actix_web::test]
async fn client_secret_post_is_in_the_body_alone() {
    let server = working_server();
    exchange(&server, &["client.authentication = \"client_secret_post\""])
        .await
        .unwrap();
    let request = &server.requests("/token")[0];
    assert!(!request.headers.contains_key("authorization"));
    assert_eq!(request.form()["client_id"], "spa client");
    assert_eq!(request.form()["client_secret"], "s3cret:%&+ä");
}

fn is_rejection(error: &OAuthError, status: u16, code: Option<&str>) -> bool {
    matches!(error, OAuthError::Rejected(error_response)
        if error_response.status == status && error_response.code.as_deref() == code)
}

#[actix_web::test]
async fn invalid_grant_is_parsed_and_not_searched_for() {
    let invalid_grant = |status| {
        Reply::Json(
            status,
            json!({"error": "invalid_grant", "error_description": "expired"}),
        )
    };
    let is_invalid_grant = |error: OAuthError| {
        matches!(error, OAuthError::Rejected(error_response)
            if error_response.error_code() == Some(OAuthErrorCode::InvalidGrant))
    };
    assert!(is_invalid_grant(refresh(invalid_grant(400)).await));
    let elsewhere = json!({"error": "invalid_request", "error_description": "not an invalid_grant"});
    let error = refresh(Reply::Json(400, elsewhere)).await;
    assert!(is_rejection(&error, 400, Some("invalid_request")), "{error}");
    let in_html = Reply::Text(400, "text/html", "{\"error\":\"invalid_grant\"".to_owned());
    assert!(is_rejection(&refresh(in_html).await, 400, None));
    assert!(matches!(refresh(invalid_grant(500)).await, OAuthError::Unavailable(_)));
    assert!(matches!(refresh(invalid_grant(200)).await, OAuthError::Unavailable(_)));
}

#[actix_web::test]
async fn every_4xx_is_a_rejection_with_the_server_s_error_code_and_nothing_else_of_it() {
    let reply = json!({"error": "invalid_client", "error_description": "the secret hunter2 is wrong"});
    let error = refresh(Reply::Json(401, reply)).await;
    assert!(is_rejection(&error, 401, Some("invalid_client")));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    for body in ["", "<html>", "[]", "{\"error\":7}", "{\"error\":\"a\\nb\"}"] {
        let error = refresh(Reply::Text(403, "text/html", body.to_owned())).await;
        assert!(is_rejection(&error, 403, None), "{body:?}: {error}");
    }
}

#[actix_web::test]
async fn what_makes_no_sense_is_unavailable() {
    let replies = [
        Reply::Json(500, json!({})),
        Reply::Json(200, json!({})),
        Reply::Json(200, json!({"error": "invalid_request"})),
        Reply::Json(200, json!({"access_token": "at"})),
        Reply::Json(200, json!({"token_type": "Bearer"})),
        Reply::Json(200, json!({"access_token": "at", "token_type": "mac"})),
        Reply::Json(200, json!({"access_token": "", "token_type": "Bearer"})),
        Reply::Json(200, json!({"access_token": ["at"], "token_type": "Bearer"})),
        Reply::Json(200, json!({"access_token": "a\r\nb", "token_type": "Bearer"})),
        Reply::Json(200, json!([])),
        Reply::Json(201, json!({"access_token": "at", "token_type": "Bearer"})),
        Reply::Text(200, "text/html", "<html>sign in".to_owned()),
        Reply::Text(
            200,
            "text/html",
            json!({"access_token": "at", "token_type": "Bearer"}).to_string(),
        ),
        Reply::Text(200, "application/json", String::new()),
        Reply::Text(
            200,
            "application/json",
            format!("{{\"access_token\":\"{}\"}}", "x".repeat(300_000)),
        ),
        Reply::Redirect("/token2".to_owned()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"acc".to_vec()),
        Reply::Close,
    ];
    for (index, reply) in replies.into_iter().enumerate() {
        let error = refresh(reply).await;
        assert!(matches!(error, OAuthError::Unavailable(_)), "reply {index}: {error}");
    }
}

#[actix_web::test]
async fn the_error_of_a_malformed_token_response_names_the_invalid_member_or_the_required_ones() {
    let repeated = r#"{"access_token":"at","access_token":"at","token_type":"Bearer"}"#;
    for reply in [
        Reply::Json(200, json!({"token_type": "Bearer"})),
        Reply::Json(200, json!([])),
        Reply::Text(200, "application/json", "<html>sign in".to_owned()),
        Reply::Text(200, "application/json", repeated.to_owned()),
    ] {
        let error = refresh(reply).await.to_string();
        assert!(
            error.contains("invalid token response: not JSON, or a required member"),
            "{error}"
        );
        assert!(error.contains("check `authorization_server.token_endpoint`"), "{error}");
    }
    let reply = Reply::Json(200, json!({"access_token": ["hunter2"], "token_type": "Bearer"}));
    let error = refresh(reply).await.to_string();
    assert!(
        error.contains("invalid token response: the member `access_token` is invalid"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[actix_web::test]
async fn a_login_without_id_token_is_refused_and_a_refresh_without_is_not() {
    let reply = Reply::Json(200, json!({"access_token": "at", "token_type": "Bearer"}));
    let server = server_with_token_reply(reply);
    let error = exchange(&server, &[]).await.err().unwrap();
    assert!(
        matches!(error, OAuthError::InvalidIdToken(IdTokenError::Missing)),
        "{error}"
    );
    let tokens = server.client(&[]).refresh("rt-1", None, None).await.unwrap();
    assert!(tokens.id_token.is_none() && tokens.refresh_token.is_none());
}

#[actix_web::test]
async fn an_id_token_for_another_login_is_refused() {
    let server = working_server();
    let error = server
        .client(&[])
        .exchange_code(
            "c",
            VERIFIER,
            &redirect_uri(),
            "another-nonce",
            &IdTokenRequirements::default(),
        )
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, OAuthError::InvalidIdToken(IdTokenError::Nonce)),
        "{error}"
    );
}

#[actix_web::test]
async fn an_id_token_of_another_user_after_a_refresh_is_refused() {
    let server = working_server();
    let client = server.client(&[]);
    let bob = Signer::es256("1").sign(&json!({"iss": server.url(""), "sub": "bob", "aud": "spa client"}));
    let error = client.refresh("rt-1", Some(&bob), None).await.err().unwrap();
    assert!(
        matches!(error, OAuthError::InvalidIdToken(IdTokenError::Changed("sub"))),
        "{error}"
    );
    let form = server.requests("/token")[0].form();
    assert_eq!(
        (form["grant_type"].as_str(), form["refresh_token"].as_str(), form.len()),
        ("refresh_token", "rt-1", 2)
    );
}

#[actix_web::test]
async fn unusual_but_legal_answers_are_accepted() {
    let signer = Signer::rsa(None);
    let server = FakeServer::authorization_server(&[&signer], unused);
    let mut response = tokens(&id_token(&signer, &server.url("")));
    response["access_token"] = json!("x".repeat(6000));
    response["token_type"] = json!("BEARER");
    response["expires_in"] = json!("299");
    response["refresh_token"] = json!("with space ~!");
    let (metadata, keys) = (server.metadata(), jwks([&signer]));
    server.answer_by(move |request| match request.path() {
        "/token" => Reply::Text(200, "Application/JSON;charset=UTF-8", format!("\n {response} \n")),
        "/jwks" => Reply::Text(200, "application/jwk-set+json", keys.to_string()),
        _ => Reply::Json(200, metadata.clone()),
    });
    let tokens = exchange(&server, &[]).await.unwrap();
    assert_eq!((tokens.access_token.len(), tokens.expires_in), (6000, Some(299)));
}

/// Refreshes at a token endpoint with these responses. Returns the scope of the tokens, and those of the requests, in order.
async fn refreshed(
    responses: Vec<Reply>,
    lines: &[&str],
    scope: Option<&str>,
) -> (Option<String>, Vec<Option<String>>) {
    let mut responses = responses.into_iter();
    let server = FakeServer::authorization_server(&[&Signer::es256("1")], move |_| responses.next().unwrap());
    let tokens = server.client(lines).refresh("rt-1", None, scope).await.unwrap();
    let requests = server.requests("/token");
    let asked = requests.iter().map(|request| request.form().get("scope").cloned());
    (tokens.scope, asked.collect())
}

fn response_with_scope(scope: Option<&str>) -> Reply {
    Reply::Json(
        200,
        json!({"access_token": "at", "token_type": "Bearer", "scope": scope}),
    )
}

#[actix_web::test]
async fn a_refresh_asks_for_the_scope_that_was_granted_unless_the_configuration_leaves_it_out() {
    let some = |scope: &str| Some(scope.to_owned());
    let granted = Some("openid api");
    let (scope, asked) = refreshed(vec![response_with_scope(None)], &[], granted).await;
    assert_eq!((scope, asked), (some("openid api"), vec![some("openid api")]));
    let (scope, asked) = refreshed(vec![response_with_scope(Some("openid"))], &[], granted).await;
    assert_eq!((scope, asked), (some("openid"), vec![some("openid api")]));
    let (scope, asked) = refreshed(vec![response_with_scope(None)], &[], None).await;
    assert_eq!((scope, asked), (None, vec![None]));
    let off = ["client.send_scope_at_refresh = false"];
    let (_, asked) = refreshed(vec![response_with_scope(None)], &off, granted).await;
    assert_eq!(asked, [None]);
}

#[actix_web::test]
async fn a_server_that_does_not_take_back_the_scope_that_it_granted_is_asked_without_one() {
    let invalid_scope = || Reply::Json(400, json!({"error": "invalid_scope"}));
    let (_, asked) = refreshed(vec![invalid_scope(), response_with_scope(None)], &[], Some("a b")).await;
    assert_eq!(asked, [Some("a b".to_owned()), None]);
    let server = server_with_token_reply(invalid_scope());
    assert!(server.client(&[]).refresh("rt-1", None, None).await.is_err());
    assert_eq!(server.requests("/token").len(), 1, "there is nothing to leave out");
}

#[actix_web::test]
async fn an_error_description_is_in_the_log_for_debugging_unless_it_repeats_a_secret() {
    for (description, expected) in [
        (
            "AADSTS70000: the grant\r\nis old",
            "explains: AADSTS70000: the grant\\r\\nis old",
        ),
        ("the token rt-that-is-secret is old", "repeats in `error_description`"),
        ("the secret s3cret:%&+ä is wrong", "repeats in `error_description`"),
    ] {
        let body = json!({"error": "invalid_grant", "error_description": description});
        let lines = log_lines::of(async {
            let server = server_with_token_reply(Reply::Json(400, body));
            let _ = server.client(&[]).refresh("rt-that-is-secret", None, None).await;
        })
        .await;
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("DEBUG") && line.contains(expected)),
            "{lines:?}"
        );
        assert!(!lines.iter().any(|line| line.contains("secret is")), "{lines:?}");
    }
}

#[actix_web::test]
async fn a_code_is_not_used_up_while_the_keys_cannot_be_had() {
    let signer = Signer::es256("1");
    let server = FakeServer::start(unused);
    let (metadata, response) = (server.metadata(), tokens(&id_token(&signer, &server.url(""))));
    let down = metadata.clone();
    server.answer_by(move |request| match request.path() {
        "/jwks" => Reply::Json(500, json!({})),
        _ => Reply::Json(200, down.clone()),
    });
    let client = server.client(&[]);
    let requirements = IdTokenRequirements::default();
    let redirect_uri = redirect_uri();
    let login = || client.exchange_code("c", VERIFIER, &redirect_uri, NONCE, &requirements);
    assert!(matches!(login().await, Err(OAuthError::Unavailable(_))));
    assert!(matches!(
        client.refresh("rt-1", None, None).await,
        Err(OAuthError::Unavailable(_))
    ));
    assert!(server.requests("/token").is_empty());
    let keys = jwks([&signer]);
    server.answer_by(move |request| match request.path() {
        "/jwks" => Reply::Json(200, keys.clone()),
        "/token" => Reply::Json(200, response.clone()),
        _ => Reply::Json(200, metadata.clone()),
    });
    assert!(login().await.is_ok(), "the same code");
}
