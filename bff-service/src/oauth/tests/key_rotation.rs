//! An authorization server that changes its keys, or whose JWKS is unavailable.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::fake_server::{FakeServer, Reply, redirect_uri};
use super::grants::{NONCE, VERIFIER, exchange, id_token, tokens, unused, working_server};
use super::signer::{Signer, jwks};
use crate::oauth::id_token::IdTokenError;
use crate::oauth::signed_jwt::JwtError;
use crate::oauth::{IdTokenRequirements, OAuthClient, OAuthError, TokenSet};

/// The keys of a server that changes them.
struct Keys {
    signers: [Signer; 3],
    /// The published keys.
    published: Vec<usize>,
    /// The signing key.
    signing: usize,
}

impl Keys {
    fn change(&mut self, published: Vec<usize>, signing: usize) {
        (self.published, self.signing) = (published, signing);
    }
}

fn rotating_server() -> (FakeServer, Arc<Mutex<Keys>>) {
    let signers = ["a", "b", "c"].map(Signer::es256);
    let keys = Arc::new(Mutex::new(Keys {
        signers,
        published: vec![0],
        signing: 0,
    }));
    let server = FakeServer::start(unused);
    let (issuer, metadata, shared) = (server.url(""), server.metadata(), Arc::clone(&keys));
    server.answer_by(move |request| {
        let keys = shared.lock().unwrap();
        match request.path() {
            "/token" => Reply::Json(200, tokens(&id_token(&keys.signers[keys.signing], &issuer))),
            "/jwks" => Reply::Json(200, jwks(keys.published.iter().map(|index| &keys.signers[*index]))),
            _ => Reply::Json(200, metadata.clone()),
        }
    });
    (server, keys)
}

async fn login(client: &OAuthClient) -> Result<TokenSet, OAuthError> {
    client
        .exchange_code("c", VERIFIER, &redirect_uri(), NONCE, &IdTokenRequirements::default())
        .await
}

#[actix_web::test]
async fn a_key_that_is_new_since_the_keys_were_fetched_is_found() {
    let (server, keys) = rotating_server();
    let client = server.client(&[]);
    login(&client).await.unwrap();
    keys.lock().unwrap().change(vec![0, 1], 1);
    login(&client).await.unwrap();
    assert_eq!(server.requests("/jwks").len(), 2);
}

#[actix_web::test]
async fn several_logins_at_once_after_a_change_of_keys_fetch_them_once_and_all_succeed() {
    let (server, keys) = rotating_server();
    let client = server.client(&[]);
    login(&client).await.unwrap();
    keys.lock().unwrap().change(vec![1], 1);
    let (first, second, third) = tokio::join!(login(&client), login(&client), login(&client));
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(server.requests("/jwks").len(), 2);
}

#[actix_web::test]
async fn unknown_keys_cannot_make_the_keys_be_fetched_without_end() {
    let (server, keys) = rotating_server();
    let client = server.client(&["authorization_server.unknown_key_seconds = 3600"]);
    login(&client).await.unwrap();
    keys.lock().unwrap().signing = 2;
    for _ in 0..20 {
        let error = login(&client).await.err().unwrap();
        assert!(
            matches!(
                error,
                OAuthError::InvalidIdToken(IdTokenError::Jwt(JwtError::Signature(_)))
            ),
            "{error}"
        );
    }
    assert_eq!(server.requests("/jwks").len(), 2);
}

#[actix_web::test]
async fn what_strangers_send_does_not_keep_a_new_key_from_the_servers_own_tokens() {
    let (server, keys) = rotating_server();
    let client = server.client(&["authorization_server.unknown_key_seconds = 3600"]);
    login(&client).await.unwrap();
    let header = json!({"alg": "ES256", "typ": "logout+jwt", "kid": "made-up"});
    let made_up = Signer::es256("made-up").sign_with_header(&header, &json!({}));
    for _ in 0..3 {
        assert!(client.logout_token(&made_up).await.is_err());
    }
    assert_eq!(server.requests("/jwks").len(), 2, "once for all that strangers send");
    keys.lock().unwrap().change(vec![0, 1], 1);
    login(&client).await.unwrap();
    assert_eq!(server.requests("/jwks").len(), 3);
}

#[actix_web::test]
async fn keys_that_cannot_be_fetched_make_the_server_unavailable_and_not_the_token_invalid() {
    let server = working_server();
    let (metadata, response) = (server.metadata(), tokens("a.b.c"));
    let valid = id_token(&Signer::es256("1"), &server.url(""));
    server.answer_by(move |request| match request.path() {
        "/token" => Reply::Json(
            200,
            json!({"id_token": valid, "access_token": "at", "token_type": response["token_type"]}),
        ),
        "/jwks" => Reply::Json(503, json!({})),
        _ => Reply::Json(200, metadata.clone()),
    });
    let error = exchange(&server, &[]).await.err().unwrap();
    assert!(matches!(error, OAuthError::Unavailable(_)), "{error}");
}
