//! What the client proves itself with, as the server sees it: assertions, request objects, pushed requests, DPoP proofs,
//! and revocations that are asked for again.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use url::Url;

use super::fake_server::{FakeServer, REDIRECT_URI, Reply, Request};
use super::signer::{Signer, jwks};
use crate::clock;
use crate::oauth::{Demands, OAuthClient};

/// A key in a file; the folder goes with the value.
fn key_file(name: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    std::fs::write(&path, key.serialize_pem()).unwrap();
    (folder, format!("{name} = {:?}", path.to_str().unwrap()))
}

fn key_files() -> (TempDir, String) {
    let (folder, line) = key_file("client.signing_key_files");
    let (name, path) = line.split_once(" = ").unwrap();
    (folder, format!("{name} = [{path}]"))
}

/// A server whose metadata have these members too.
fn server(more: Value, other: impl FnMut(&Request) -> Reply + Send + 'static) -> FakeServer {
    let server = FakeServer::start(|_| Reply::Close);
    let mut metadata = server.metadata();
    for (name, value) in more.as_object().unwrap() {
        let text = value
            .as_str()
            .and_then(|text| text.strip_prefix('/'))
            .map(|path| json!(server.url(&format!("/{path}"))));
        metadata[name] = text.unwrap_or_else(|| value.clone());
    }
    let keys = jwks([&Signer::es256("1")]);
    let other = Arc::new(Mutex::new(other));
    server.answer_by(move |request| match request.path() {
        "/.well-known/openid-configuration" => Reply::Json(200, metadata.clone()),
        "/jwks" => Reply::Json(200, keys.clone()),
        _ => (other.lock().unwrap())(request),
    });
    server
}

/// Header and claims, whoever signed.
fn parts(token: &str) -> (Value, Value) {
    let part = |index: usize| {
        let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    (part(0), part(1))
}

fn client_of(server: &FakeServer, lines: &[&str]) -> OAuthClient {
    server.client(lines)
}

fn query(url: &str) -> HashMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

fn assert_is_about_now(claims: &Value, longest: u64) {
    let (now, issued, expires) = (
        clock::now(),
        claims["iat"].as_u64().unwrap(),
        claims["exp"].as_u64().unwrap(),
    );
    assert!(issued <= now && issued + 5 > now, "{claims}");
    assert!(expires > now && expires - issued <= longest, "{claims}");
}

#[actix_web::test]
async fn an_assertion_is_for_the_issuer_short_lived_and_made_for_one_request() {
    let (_folder, key) = key_files();
    let server = server(
        json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
        |_| Reply::Json(400, json!({"error": "invalid_grant"})),
    );
    let client = client_of(&server, &[&key]);
    for _ in 0..2 {
        let _ = client.refresh("rt", None).await;
    }
    let requests = server.requests("/token");
    let mut ids = HashSet::new();
    for request in &requests {
        let form = request.form();
        assert_eq!(
            form["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        assert_eq!(form["client_id"], "spa client");
        assert!(!form.contains_key("client_secret") && !request.headers.contains_key("authorization"));
        let (header, claims) = parts(&form["client_assertion"]);
        assert!(header["kid"].as_str().unwrap().len() >= 43, "{header}");
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("spa client"), &json!("spa client"))
        );
        // The issuer and no endpoint: another server could have lured the client there.
        assert_eq!(claims["aud"], server.url(""));
        assert_is_about_now(&claims, 60);
        assert!(ids.insert(claims["jti"].as_str().unwrap().to_owned()), "used twice");
    }
    assert_eq!(ids.len(), 2);
}

/// RFC 8414, section 2.
#[actix_web::test]
async fn a_server_that_does_not_say_how_clients_authenticate_is_taken_to_know_basic_alone() {
    let (_folder, key) = key_files();
    let server = server(json!({}), |_| Reply::Json(400, json!({"error": "invalid_grant"})));
    let _ = client_of(&server, &[&key]).refresh("rt", None).await;
    let request = server.requests("/token").pop().unwrap();
    assert!(request.headers["authorization"].starts_with("Basic "));
    assert!(!request.form().contains_key("client_assertion"));
}

#[actix_web::test]
async fn a_request_object_holds_the_whole_request_and_is_good_for_the_issuer_alone() {
    let (_folder, key) = key_files();
    let server = server(json!({"require_signed_request_object": true}), |_| Reply::Close);
    let client = client_of(&server, &[&key, "client.authentication = \"client_secret_basic\""]);
    let extra = [
        ("max_age".to_owned(), "60".to_owned()),
        ("claims".to_owned(), r#"{"id_token":{"acr":null}}"#.to_owned()),
        ("resource".to_owned(), "https://a".to_owned()),
        ("resource".to_owned(), "https://b".to_owned()),
    ];
    let request = client.authorization_request(REDIRECT_URI, &extra).await.unwrap();
    let query = query(&request.url);
    let mut names: Vec<&str> = query.keys().map(String::as_str).collect();
    names.sort_unstable();
    // `tenant` is the endpoint's own.
    assert_eq!(names, ["client_id", "request", "tenant"]);
    let (header, claims) = parts(&query["request"]);
    assert_eq!(header["typ"], "oauth-authz-req+jwt");
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!("spa client"), &json!(server.url("")))
    );
    assert_is_about_now(&claims, 300);
    assert!(claims["nbf"].as_u64().unwrap() <= clock::now() && claims["jti"].as_str().unwrap().len() >= 43);
    assert_eq!(claims["redirect_uri"], REDIRECT_URI);
    assert_eq!(
        (&claims["state"], &claims["nonce"]),
        (&json!(request.state), &json!(request.nonce))
    );
    assert_eq!(
        (&claims["response_type"], &claims["code_challenge_method"]),
        (&json!("code"), &json!("S256"))
    );
    // Each in the type that JSON has for it.
    assert_eq!(
        (&claims["max_age"], &claims["claims"]),
        (&json!(60), &json!({"id_token": {"acr": null}}))
    );
    assert_eq!(claims["resource"], json!(["https://a", "https://b"]));
}

#[actix_web::test]
async fn every_login_pushes_a_request_of_its_own_with_the_clients_authentication() {
    let mut number = 0;
    let more = json!({"pushed_authorization_request_endpoint": "/par", "require_pushed_authorization_requests": true});
    let server = server(more, move |_| {
        number += 1;
        Reply::Json(
            201,
            json!({"request_uri": format!("urn:request:{number}"), "expires_in": 60}),
        )
    });
    let client = client_of(&server, &[]);
    for number in 1..=2 {
        let request = client.authorization_request(REDIRECT_URI, &[]).await.unwrap();
        let query = query(&request.url);
        assert_eq!(query["request_uri"], format!("urn:request:{number}"));
        assert_eq!(query.len(), 3, "{query:?}");
        let pushed = server.requests("/par").pop().unwrap();
        assert!(pushed.headers["authorization"].starts_with("Basic "));
        assert_eq!(
            (&pushed.form()["state"], &pushed.form()["redirect_uri"]),
            (&request.state, &REDIRECT_URI.to_owned())
        );
        assert!(!request.url.contains(&request.state), "nothing of it is in the browser");
    }
}

#[actix_web::test]
async fn a_pushed_request_that_is_refused_or_answered_with_nonsense_starts_no_login() {
    let replies = [
        (
            Reply::Json(400, json!({"error": "invalid_request", "error_description": "secret"})),
            "Rejected",
        ),
        (Reply::Json(401, json!({"error": "invalid_client"})), "Rejected"),
        (Reply::Json(201, json!({})), "Unavailable"),
        (Reply::Json(201, json!({"request_uri": ""})), "Unavailable"),
        (Reply::Text(200, "text/html", "<html>".to_owned()), "Unavailable"),
        (Reply::Json(500, json!({})), "Unavailable"),
        (Reply::Redirect("/elsewhere".to_owned()), "Unavailable"),
        (Reply::Close, "Unavailable"),
    ];
    for (reply, expected) in replies {
        let more =
            json!({"pushed_authorization_request_endpoint": "/par", "require_pushed_authorization_requests": true});
        let server = server(more, move |_| reply.clone());
        let error = client_of(&server, &[])
            .authorization_request(REDIRECT_URI, &[])
            .await
            .err()
            .unwrap();
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

/// A server that wants its nonce in every proof; tokens are bound.
fn nonce_server() -> FakeServer {
    server(
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

#[actix_web::test]
async fn a_dpop_proof_is_for_one_request_with_the_servers_nonce_which_is_asked_for_once() {
    let (_folder, key) = key_file("client.dpop_key_file");
    let server = nonce_server();
    let client = client_of(&server, &[&key]);
    for _ in 0..2 {
        assert_eq!(client.refresh("rt", None).await.unwrap().access_token, "at");
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
    let body = r#"{"error":"use_dpop_nonce"}"#;
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ndpop-nonce: never-right\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let server = server(json!({}), move |_| Reply::Raw(answer.clone().into_bytes()));
    assert!(client_of(&server, &[&key]).refresh("rt", None).await.is_err());
    assert_eq!(server.requests("/token").len(), 2);
}

#[actix_web::test]
async fn the_code_is_bound_to_the_dpop_key_from_the_start() {
    let (_folder, key) = key_file("client.dpop_key_file");
    let server = nonce_server();
    let client = client_of(&server, &[&key]);
    let request = client.authorization_request(REDIRECT_URI, &[]).await.unwrap();
    assert_eq!(query(&request.url)["dpop_jkt"].len(), 43);
}

#[actix_web::test]
async fn a_token_that_is_not_bound_although_it_should_be_is_refused() {
    let (_folder, key) = key_file("client.dpop_key_file");
    let server = server(json!({}), |_| {
        Reply::Json(200, json!({"access_token": "at", "token_type": "Bearer"}))
    });
    let error = client_of(&server, &[&key]).refresh("rt", None).await.err().unwrap();
    assert!(error.to_string().contains("not bound to the key"), "{error}");
}

#[actix_web::test]
async fn an_assertion_is_new_for_each_attempt_of_a_dpop_request() {
    let ((_one, key), (_other, dpop)) = (key_files(), key_file("client.dpop_key_file"));
    let more = json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]});
    let body = r#"{"error":"use_dpop_nonce"}"#;
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ndpop-nonce: n\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let server = server(more, move |_| Reply::Raw(answer.clone().into_bytes()));
    let _ = client_of(&server, &[&key, &dpop])
        .exchange_code("c", "v", REDIRECT_URI, "n", &Demands::default())
        .await;
    let used: HashSet<String> = server
        .requests("/token")
        .iter()
        .map(|request| request.form()["client_assertion"].clone())
        .collect();
    assert_eq!(used.len(), 2);
}

#[actix_web::test]
async fn a_client_with_a_certificate_goes_to_the_endpoints_that_ask_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
    let file = |name: &str, content: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        format!("{:?}", path.to_str().unwrap())
    };
    let certificate = format!("client.certificate_file = {}", file("c.pem", made.cert.pem()));
    let key = format!(
        "client.certificate_key_file = {}",
        file("k.pem", made.signing_key.serialize_pem())
    );
    let server = FakeServer::start(|_| Reply::Close);
    let mut metadata = server.metadata();
    metadata["token_endpoint_auth_methods_supported"] = json!(["tls_client_auth"]);
    metadata["mtls_endpoint_aliases"] =
        json!({"token_endpoint": server.url("/mtls/token"), "revocation_endpoint": server.url("/mtls/revoke")});
    let keys = jwks([&Signer::es256("1")]);
    server.answer_by(move |request| match request.path() {
        "/.well-known/openid-configuration" => Reply::Json(200, metadata.clone()),
        "/jwks" => Reply::Json(200, keys.clone()),
        _ => Reply::Json(200, json!({"access_token": "at", "token_type": "Bearer"})),
    });
    let client = Rc::new(server.client(&[&certificate, &key]));
    assert!(client.refresh("rt", None).await.is_ok());
    Rc::clone(&client).revoke("rt".to_owned().into(), "refresh_token").await;
    for path in ["/mtls/token", "/mtls/revoke"] {
        let form = server.requests(path).pop().unwrap().form();
        assert_eq!(form["client_id"], "spa client", "{path}");
        assert!(!form.contains_key("client_secret"), "{path}");
    }
    assert!(server.requests("/token").is_empty() && server.requests("/revoke").is_empty());
}

#[actix_web::test]
async fn a_revocation_is_asked_for_again_where_the_server_says_when_and_nobody_waits() {
    let mut number = 0;
    let server = server(json!({}), move |_| {
        number += 1;
        match number {
            1 => Reply::Raw(
                b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec(),
            ),
            _ => Reply::Json(200, json!({})),
        }
    });
    Rc::new(client_of(&server, &[]))
        .revoke("rt".to_owned().into(), "refresh_token")
        .await;
    let mut patience = 200;
    while server.requests("/revoke").len() < 2 {
        patience -= 1;
        assert!(patience > 0, "it was not asked again");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for request in server.requests("/revoke") {
        assert_eq!(
            (
                request.form()["token"].as_str(),
                request.form()["token_type_hint"].as_str()
            ),
            ("rt", "refresh_token")
        );
    }
}

#[actix_web::test]
async fn a_refresh_token_that_came_with_an_unacceptable_id_token_does_not_stay_behind() {
    let server = server(json!({}), |request: &Request| match request.path() {
        "/token" => Reply::Json(
            200,
            json!({"access_token": "at", "token_type": "Bearer", "refresh_token": "rt-2", "id_token": "not.a.token"}),
        ),
        _ => Reply::Json(200, json!({})),
    });
    assert!(client_of(&server, &[]).refresh("rt-1", None).await.is_err());
    assert_eq!(server.requests("/revoke")[0].form()["token"], "rt-2");
}
