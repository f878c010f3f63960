//! DPoP (RFC 9449): proofs, nonces of the server, and bound tokens.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use super::client_keys::{key_file, key_files, parts};
use super::fake_server::{FakeServer, Reply, Request, redirect_uri};
use crate::clock;
use crate::oauth::IdTokenRequirements;

/// A server that requires its nonce in every proof, and issues bound tokens.
fn nonce_server() -> FakeServer {
    FakeServer::with_metadata(
        json!({"dpop_signing_alg_values_supported": ["ES256"]}),
        |request: &Request| {
            let nonce = |token: &str| parts(token).1["nonce"].as_str().map(str::to_owned);
            let proof = request.headers.get("dpop").map(|proof| nonce(proof));
            let wanted = match request.path() {
                "/token" => "for-tokens",
                _ => "for-userinfo",
            };
            let challenge = |status: &str, body: &str| {
                let length = body.len();
                Reply::Raw(
                    format!(
                        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ndpop-nonce: {wanted}\r\nconnection: close\r\n\
                     www-authenticate: DPoP error=\"use_dpop_nonce\"\r\ncontent-length: {length}\r\n\r\n{body}"
                    )
                    .into_bytes(),
                )
            };
            match (proof, request.path()) {
                (Some(Some(nonce)), "/token") if nonce == wanted => Reply::Json(
                    200,
                    json!({"access_token": "at", "token_type": "DPoP", "refresh_token": "rt-2"}),
                ),
                (Some(Some(nonce)), _) if nonce == wanted => Reply::Json(200, json!({"sub": "alice"})),
                (_, "/token") => challenge("400 Bad Request", r#"{"error":"use_dpop_nonce"}"#),
                _ => challenge("401 Unauthorized", "{}"),
            }
        },
    )
}

/// The response of a token endpoint to a proof without this nonce.
fn asks_for_nonce(nonce: &str) -> Reply {
    let body = r#"{"error":"use_dpop_nonce"}"#;
    let response = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ndpop-nonce: {nonce}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    Reply::Raw(response.into_bytes())
}

#[actix_web::test]
async fn a_dpop_proof_is_for_one_request_with_the_servers_nonce_which_is_asked_for_once() {
    let (_folder, key) = key_file("client.dpop_key_file");
    let server = nonce_server();
    let client = server.client(&[&key]);
    for _ in 0..2 {
        assert_eq!(client.refresh("rt", None, None).await.unwrap().access_token, "at");
    }
    assert!(client.userinfo("at", Some("alice")).await.is_ok());
    let tokens = server.requests("/token");
    assert_eq!(tokens.len(), 3, "one challenge, and the nonce is remembered");
    let mut ids = HashSet::new();
    for request in &tokens {
        let (header, claims) = parts(&request.headers["dpop"]);
        assert_eq!((&header["typ"], &claims["htm"]), (&json!("dpop+jwt"), &json!("POST")));
        assert_eq!(claims["htu"], server.url("/token"));
        assert!(
            header["jwk"]["x"].is_string() && header["jwk"].get("d").is_none(),
            "{header}"
        );
        assert!(claims.get("ath").is_none());
        assert!(ids.insert(claims["jti"].as_str().unwrap().to_owned()), "used twice");
        assert!(claims["iat"].as_u64().unwrap().abs_diff(clock::now()) < 5);
    }
    let userinfo = server.requests("/userinfo");
    assert_eq!(userinfo.len(), 2, "the other role has a nonce of its own");
    let last = userinfo.last().unwrap();
    assert_eq!(last.headers["authorization"], "DPoP at");
    let (_, claims) = parts(&last.headers["dpop"]);
    assert_eq!(claims["ath"], URL_SAFE_NO_PAD.encode(Sha256::digest("at")));
    assert_eq!(
        (&claims["htm"], &claims["htu"]),
        (&json!("GET"), &json!(server.url("/userinfo")))
    );
}

#[actix_web::test]
async fn a_server_that_asks_for_a_nonce_without_end_is_asked_twice() {
    let (_folder, key) = key_file("client.dpop_key_file");
    let server = FakeServer::with_metadata(json!({}), |_| asks_for_nonce("never-right"));
    assert!(server.client(&[&key]).refresh("rt", None, None).await.is_err());
    assert_eq!(server.requests("/token").len(), 2);
}

#[actix_web::test]
async fn the_code_is_bound_to_the_dpop_key_from_the_start() {
    let (_folder, key) = key_file("client.dpop_key_file");
    let server = nonce_server();
    let client = server.client(&[&key]);
    let request = client.authorization_request(&redirect_uri(), &[]).await.unwrap();
    let url = Url::parse(&request.url).unwrap();
    let thumbprint = url.query_pairs().find(|(name, _)| name == "dpop_jkt").unwrap().1;
    assert_eq!(thumbprint.len(), 43);
}

#[actix_web::test]
async fn a_token_that_is_not_bound_although_it_should_be_is_refused() {
    let (_folder, key) = key_file("client.dpop_key_file");
    let server = FakeServer::with_metadata(json!({}), |_| {
        Reply::Json(200, json!({"access_token": "at", "token_type": "Bearer"}))
    });
    let error = server.client(&[&key]).refresh("rt", None, None).await.err().unwrap();
    assert!(error.to_string().contains("not bound to the key"), "{error}");
}

#[actix_web::test]
async fn an_assertion_is_new_for_each_attempt_of_a_dpop_request() {
    let ((_one, key), (_other, dpop)) = (key_files(), key_file("client.dpop_key_file"));
    let more = json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]});
    let server = FakeServer::with_metadata(more, |_| asks_for_nonce("n"));
    let _ = server
        .client(&[&key, &dpop])
        .exchange_code("c", "v", &redirect_uri(), "n", &IdTokenRequirements::default())
        .await;
    let used: HashSet<String> = server
        .requests("/token")
        .iter()
        .map(|request| request.form()["client_assertion"].clone())
        .collect();
    assert_eq!(used.len(), 2);
}
