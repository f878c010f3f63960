//! Codes and refresh tokens exchanged, with an authorization server that answers well and badly.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::oauth::Demands;

use super::fake_server::{FakeServer, REDIRECT_URI, Reply, Request};
use super::signer::{Signer, jwks};
use crate::clock;
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

/// A server whose token endpoint gives this reply to everything.
fn server_with_token_reply(reply: Reply) -> FakeServer {
    FakeServer::authorization_server(&[&Signer::es256("1")], move |_| reply.clone())
}

pub(super) async fn exchange(server: &FakeServer, lines: &[&str]) -> Result<TokenSet, OAuthError> {
    server
        .client(lines)
        .exchange_code(
            "the code&client_id=evil",
            VERIFIER,
            REDIRECT_URI,
            NONCE,
            &Demands::default(),
        )
        .await
}

async fn refresh(reply: Reply) -> OAuthError {
    server_with_token_reply(reply)
        .client(&[])
        .refresh("rt-1", None)
        .await
        .err()
        .unwrap()
}

/// A server that works: its token endpoint issues tokens with a good ID token.
pub(super) fn good_server() -> FakeServer {
    let signer = Signer::es256("1");
    let server = FakeServer::authorization_server(&[&signer], unused);
    let answer = tokens(&id_token(&signer, &server.url("")));
    let (metadata, keys) = (server.metadata(), jwks([&signer]));
    server.answer_by(move |request| match request.path() {
        "/token" => Reply::Json(200, answer.clone()),
        "/jwks" => Reply::Json(200, keys.clone()),
        _ => Reply::Json(200, metadata.clone()),
    });
    server
}

#[actix_web::test]
async fn a_code_is_exchanged_with_verifier_and_exact_redirect_uri() {
    let server = good_server();
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
    let server = good_server();
    exchange(&server, &[]).await.unwrap();
    let header = server.requests("/token")[0].headers["authorization"].clone();
    let credentials = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(credentials).unwrap(),
        "spa+client:s3cret%3A%25%26%2B%C3%A4"
    );
}

#[actix_web::test]
async fn client_secret_post_is_in_the_body_alone() {
    let server = good_server();
    exchange(&server, &["client.authentication = \"client_secret_post\""])
        .await
        .unwrap();
    let request = &server.requests("/token")[0];
    assert!(!request.headers.contains_key("authorization"));
    assert_eq!(request.form()["client_id"], "spa client");
    assert_eq!(request.form()["client_secret"], "s3cret:%&+ä");
}

#[actix_web::test]
async fn invalid_grant_is_parsed_and_not_searched_for() {
    let invalid_grant = |status| {
        Reply::Json(
            status,
            json!({"error": "invalid_grant", "error_description": "expired"}),
        )
    };
    assert!(matches!(refresh(invalid_grant(400)).await, OAuthError::InvalidGrant));
    let elsewhere = json!({"error": "invalid_request", "error_description": "not an invalid_grant"});
    let error = refresh(Reply::Json(400, elsewhere)).await;
    assert!(
        matches!(&error, OAuthError::Rejected { status: 400, error: Some(code) } if code == "invalid_request"),
        "{error}"
    );
    let in_html = Reply::Text(400, "text/html", "{\"error\":\"invalid_grant\"".to_owned());
    assert!(matches!(
        refresh(in_html).await,
        OAuthError::Rejected {
            status: 400,
            error: None
        }
    ));
    assert!(matches!(refresh(invalid_grant(500)).await, OAuthError::Unavailable(_)));
    assert!(matches!(refresh(invalid_grant(200)).await, OAuthError::Unavailable(_)));
}

#[actix_web::test]
async fn every_4xx_is_a_rejection_with_the_server_s_error_code_and_nothing_else_of_it() {
    let reply = json!({"error": "invalid_client", "error_description": "the secret hunter2 is wrong"});
    let error = refresh(Reply::Json(401, reply)).await;
    assert!(matches!(&error, OAuthError::Rejected { status: 401, error: Some(code) } if code == "invalid_client"));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    for body in ["", "<html>", "[]", "{\"error\":7}", "{\"error\":\"a\\nb\"}"] {
        let error = refresh(Reply::Text(403, "text/html", body.to_owned())).await;
        assert!(
            matches!(
                error,
                OAuthError::Rejected {
                    status: 403,
                    error: None
                }
            ),
            "{body:?}: {error}"
        );
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
async fn a_login_without_id_token_is_refused_and_a_refresh_without_is_not() {
    let reply = Reply::Json(200, json!({"access_token": "at", "token_type": "Bearer"}));
    let server = server_with_token_reply(reply);
    let error = exchange(&server, &[]).await.err().unwrap();
    assert!(
        matches!(error, OAuthError::InvalidIdToken(IdTokenError::Missing)),
        "{error}"
    );
    let tokens = server.client(&[]).refresh("rt-1", None).await.unwrap();
    assert!(tokens.id_token.is_none() && tokens.refresh_token.is_none());
}

#[actix_web::test]
async fn an_id_token_for_another_login_is_refused() {
    let server = good_server();
    let error = server
        .client(&[])
        .exchange_code("c", VERIFIER, REDIRECT_URI, "another-nonce", &Demands::default())
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
    let server = good_server();
    let client = server.client(&[]);
    let bob = Signer::es256("1").sign(&json!({"iss": server.url(""), "sub": "bob", "aud": "spa client"}));
    let error = client.refresh("rt-1", Some(&bob)).await.err().unwrap();
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
    let mut answer = tokens(&id_token(&signer, &server.url("")));
    answer["access_token"] = json!("x".repeat(6000));
    answer["token_type"] = json!("BEARER");
    answer["expires_in"] = json!("299");
    answer["refresh_token"] = json!("with space ~!");
    let (metadata, keys) = (server.metadata(), jwks([&signer]));
    server.answer_by(move |request| match request.path() {
        "/token" => Reply::Text(200, "Application/JSON;charset=UTF-8", format!("\n {answer} \n")),
        "/jwks" => Reply::Text(200, "application/jwk-set+json", keys.to_string()),
        _ => Reply::Json(200, metadata.clone()),
    });
    let tokens = exchange(&server, &[]).await.unwrap();
    assert_eq!((tokens.access_token.len(), tokens.expires_in), (6000, Some(299)));
}
