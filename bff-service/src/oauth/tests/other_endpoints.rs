//! The authorization request, userinfo, revocation, and the logout URL.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::fake_server::{FakeServer, Reply, redirect_uri};
use super::signer::Signer;
use crate::oauth::OAuthError;

fn server(reply: Reply) -> FakeServer {
    FakeServer::authorization_server(&[&Signer::es256("1")], move |_| reply.clone())
}

fn query(url: &str) -> Vec<(String, String)> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

#[actix_web::test]
async fn the_authorization_request_has_everything_once_and_encoded() {
    let server = server(Reply::Close);
    let extra = [
        ("login_hint", "a&redirect_uri=https://evil#+ä"),
        ("prompt", "login"),
        ("max_age", "60"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let request = server
        .client(&[])
        .authorization_request(&redirect_uri(), &extra)
        .await
        .unwrap();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&request.code_verifier));
    let pairs = query(&request.url);
    let expected = HashMap::from([
        ("tenant", "1"),
        ("response_type", "code"),
        ("client_id", "spa client"),
        ("redirect_uri", "https://www.example.com/?a=b&c"),
        ("scope", "openid profile"),
        ("state", &request.state),
        ("nonce", &request.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("login_hint", "a&redirect_uri=https://evil#+ä"),
        ("prompt", "login"),
        ("max_age", "60"),
    ]);
    assert_eq!(pairs.len(), expected.len(), "{pairs:?}");
    for (key, value) in &pairs {
        assert_eq!(expected.get(key.as_str()), Some(&value.as_str()), "{key}");
    }
    assert_eq!(request.requirements.max_age, Some(60));
    assert!(request.url.is_ascii());
}

#[actix_web::test]
async fn state_nonce_and_verifier_have_256_bits_and_are_never_the_same() {
    let server = server(Reply::Close);
    let client = server.client(&[]);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        let request = client.authorization_request(&redirect_uri(), &[]).await.unwrap();
        for value in [request.state, request.nonce, request.code_verifier] {
            assert_eq!(URL_SAFE_NO_PAD.decode(&value).unwrap().len(), 32);
            assert!(seen.insert(value));
        }
    }
}

#[actix_web::test]
async fn a_parameter_that_no_page_may_set_is_refused_before_anything_else() {
    let server = server(Reply::Close);
    let extra = [("redirect_uri".to_owned(), "https://evil.example.com".to_owned())];
    let error = server
        .client(&[])
        .authorization_request(&redirect_uri(), &extra)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OAuthError::ExtraParam(_)), "{error}");
    assert!(server.requests("/.well-known/openid-configuration").is_empty());
}

#[actix_web::test]
async fn another_issuer_in_the_response_is_refused_and_a_missing_one_where_it_is_announced() {
    let announcing = server(Reply::Close);
    let client = announcing.client(&[]);
    assert!(client.check_response_issuer(Some(&announcing.url(""))).await.is_ok());
    for iss in [
        None,
        Some(""),
        Some("https://evil.example.com"),
        Some(&*announcing.url("/")),
    ] {
        let error = client.check_response_issuer(iss).await.err().unwrap();
        assert!(
            matches!(error, OAuthError::AuthorizationResponse(_)),
            "{iss:?}: {error}"
        );
    }
    let silent = server(Reply::Close);
    let mut metadata = silent.metadata();
    metadata["authorization_response_iss_parameter_supported"] = json!(false);
    silent.answer_by(move |_| Reply::Json(200, metadata.clone()));
    let client = silent.client(&[]);
    assert!(client.check_response_issuer(None).await.is_ok());
    let says_so = "authorization_server.authorization_response_iss_parameter_supported = true";
    let mut without_discovery = vec!["authorization_server.discovery = false".to_owned()];
    for (name, path) in [
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("jwks_uri", "/jwks"),
    ] {
        without_discovery.push(format!("authorization_server.{name} = {:?}", silent.url(path)));
    }
    let without_discovery: Vec<&str> = without_discovery.iter().map(String::as_str).collect();
    assert!(
        silent
            .client(&without_discovery)
            .check_response_issuer(None)
            .await
            .is_ok()
    );
    for lines in [vec![says_so], [&without_discovery[..], &[says_so]].concat()] {
        let told = silent.client(&lines);
        assert!(told.check_response_issuer(None).await.is_err(), "{lines:?}");
        assert!(
            told.check_response_issuer(Some(&silent.url(""))).await.is_ok(),
            "{lines:?}"
        );
    }
    assert!(
        client
            .check_response_issuer(Some("https://evil.example.com"))
            .await
            .is_err()
    );
}

async fn userinfo(reply: Reply) -> Result<Value, OAuthError> {
    let server = server(reply);
    let claims = server
        .client(&[])
        .userinfo("at-1", Some("alice"))
        .await
        .map(Value::Object);
    assert_eq!(server.requests("/userinfo")[0].headers["authorization"], "Bearer at-1");
    claims
}

#[actix_web::test]
async fn userinfo_are_the_claims_of_the_same_user() {
    let claims = json!({"sub": "alice", "name": "Alice"});
    assert_eq!(userinfo(Reply::Json(200, claims.clone())).await.unwrap(), claims);
}

#[actix_web::test]
async fn userinfo_of_another_user_or_without_a_user_is_refused() {
    for claims in [
        json!({"sub": "bob"}),
        json!({"name": "Alice"}),
        json!({"sub": 1}),
        json!(["alice"]),
    ] {
        let error = userinfo(Reply::Json(200, claims.clone())).await.err().unwrap();
        assert!(matches!(error, OAuthError::Unavailable(_)), "{claims}: {error}");
    }
}

#[actix_web::test]
async fn userinfo_says_when_the_access_token_has_expired() {
    assert!(matches!(
        userinfo(Reply::Json(401, json!({}))).await,
        Err(OAuthError::TokenExpired)
    ));
    assert!(matches!(
        userinfo(Reply::Json(403, json!({}))).await,
        Err(OAuthError::Rejected(error_response)) if error_response.status == 403
    ));
    assert!(matches!(
        userinfo(Reply::Json(500, json!({}))).await,
        Err(OAuthError::Unavailable(_))
    ));
}

/// The result of a response with these claims, signed by the server's only key.
async fn signed_userinfo(signer: &Signer, header: Value, changes: Value, lines: &[&str]) -> Result<Value, String> {
    let published = Signer::es256("1");
    let signer = match signer.jwk()["kid"] == "1" {
        true => &published,
        false => signer,
    };
    let server = FakeServer::authorization_server(&[&published], |_| Reply::Close);
    let mut claims = json!({"iss": server.url(""), "aud": "spa client", "sub": "alice", "name": "Alice"});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    let response = format!("{}\n", signer.sign_with_header(&header, &claims));
    server.answer_as_authorization_server(server.metadata(), &[&published], move |_| {
        Reply::Text(200, "application/jwt;charset=utf-8", response.clone())
    });
    let claims = server.client(lines).userinfo("at-1", Some("alice")).await;
    claims.map(Value::Object).map_err(|error| error.to_string())
}

#[actix_web::test]
async fn userinfo_that_the_server_signed_for_this_client_are_believed() {
    let signer = Signer::es256("1");
    let now = crate::clock::now();
    let trusted = ["client.trusted_audiences = [\"project\"]"];
    for (changes, lines) in [
        (json!({}), &[][..]),
        (json!({"aud": ["spa client"]}), &[]),
        (json!({"aud": ["project", "spa client"]}), &trusted),
        (json!({"exp": now + 60, "iat": now, "nbf": now}), &[]),
    ] {
        let claims = signed_userinfo(&signer, signer.header(), changes.clone(), lines).await;
        assert_eq!(
            claims.map(|claims| claims["name"].clone()),
            Ok(json!("Alice")),
            "{changes}"
        );
    }
}

#[actix_web::test]
async fn userinfo_that_are_signed_otherwise_than_for_this_client_are_refused_with_the_reason() {
    let signer = Signer::es256("1");
    let now = crate::clock::now();
    for (changes, reason) in [
        (json!({"iss": null}), "`iss`"),
        (json!({"iss": "https://evil.example.com"}), "`iss`"),
        (json!({"aud": null}), "`aud`"),
        (json!({"aud": "another"}), "`aud` is `another`"),
        (json!({"aud": ["spa client", "another"]}), "`aud` contains `another`"),
        (json!({"sub": "mallory"}), "`sub`"),
        (json!({"sub": null}), "`sub`"),
        (json!({"exp": now - 60}), "`exp`"),
        (json!({"iat": now + 600}), "`iat`"),
        (json!({"nbf": now + 600}), "`nbf`"),
    ] {
        let error = signed_userinfo(&signer, signer.header(), changes.clone(), &[])
            .await
            .unwrap_err();
        assert!(
            error.contains("userinfo endpoint") && error.contains(reason),
            "{changes}: {error}"
        );
    }
    let other = Signer::es256("another");
    for (signer, header, reason) in [
        (&other, json!({"alg": "ES256", "kid": "1"}), "invalid signature"),
        (&signer, json!({"alg": "none"}), "`alg` is `none`"),
        (&signer, json!({"alg": "HS256", "kid": "1"}), "`alg` is `HS256`"),
        (
            &signer,
            json!({"alg": "ES256", "kid": "1", "typ": "logout+jwt"}),
            "`typ`",
        ),
        (&signer, json!({"alg": "ES256", "kid": "1", "crit": ["x"]}), "`crit`"),
    ] {
        let error = signed_userinfo(signer, header.clone(), json!({}), &[])
            .await
            .unwrap_err();
        assert!(error.contains(reason), "{header}: {error}");
    }
}

#[actix_web::test]
async fn userinfo_that_are_encrypted_or_no_jwt_are_refused() {
    for body in ["", "a.b.c", "a.b.c.d.e", "{\"sub\":\"alice\"}", "\u{e9}"] {
        let reply = Reply::Text(200, "application/jwt", body.to_owned());
        assert!(
            matches!(userinfo(reply).await, Err(OAuthError::Unavailable(_))),
            "{body}"
        );
    }
    let page = Reply::Text(200, "text/html", "{\"sub\":\"alice\"}".to_owned());
    assert!(matches!(userinfo(page).await, Err(OAuthError::Unavailable(_))));
}

#[actix_web::test]
async fn a_refresh_token_is_revoked_with_the_client_s_credentials() {
    let server = server(Reply::Json(200, json!({})));
    for (lines, count) in [(&[][..], 1), (&["client.authentication = \"client_secret_post\""], 2)] {
        server.client(lines).revoke(Some("rt&1".to_owned().into()), None).await;
        server.wait_for("/revoke", count).await;
    }
    let [basic, post] = &server.requests("/revoke")[..] else {
        panic!("the revocation endpoint did not get exactly two requests")
    };
    assert_eq!(
        (basic.form()["token"].as_str(), basic.form()["token_type_hint"].as_str()),
        ("rt&1", "refresh_token")
    );
    assert_eq!(
        basic.headers["authorization"],
        "Basic c3BhJTIwY2xpZW50OnMzY3JldCUzQSUyNSUyNiUyQiVDMyVBNA=="
    );
    assert_eq!((basic.method.as_str(), basic.form().len()), ("POST", 2));
    assert_eq!(post.form()["client_secret"], "s3cret:%&+ä");
    assert!(!post.headers.contains_key("authorization"));
}

#[actix_web::test]
async fn a_revocation_that_fails_troubles_nobody() {
    let server = server(Reply::Close);
    server
        .client(&[])
        .revoke(Some("rt".to_owned().into()), Some("at".to_owned().into()))
        .await;
    server.wait_for("/revoke", 2).await;
}

#[actix_web::test]
async fn the_url_for_signing_out_names_the_client_the_way_back_and_the_state() {
    let server = server(Reply::Close);
    let back = "client.post_logout_redirect_uri = \"https://www.example.com/?a=b&c\"";
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let way_back = [
        pair("post_logout_redirect_uri", "https://www.example.com/?a=b&c"),
        pair("state", "s&1"),
    ];
    let tenant_and_client = [pair("tenant", "1"), pair("client_id", "spa client")];
    let url = server
        .client(&[back])
        .end_session_url(Some("a.b.c"), "s&1")
        .await
        .unwrap();
    assert_eq!(query(&url), [&tenant_and_client[..], &way_back].concat());
    let with_hint = server.client(&[back, "client.send_id_token_hint = true"]);
    let url = with_hint.end_session_url(Some("a.b.c"), "s&1").await.unwrap();
    assert_eq!(
        query(&url),
        [&tenant_and_client[..], &[pair("id_token_hint", "a.b.c")], &way_back].concat()
    );
    let url = server.client(&[]).end_session_url(None, "s&1").await.unwrap();
    assert_eq!(query(&url), tenant_and_client);
}

#[actix_web::test]
async fn without_an_end_session_endpoint_or_without_the_server_there_is_no_such_url() {
    let server = server(Reply::Close);
    let mut metadata = server.metadata();
    metadata.as_object_mut().unwrap().remove("end_session_endpoint");
    server.answer_by(move |_| Reply::Json(200, metadata.clone()));
    assert_eq!(server.client(&[]).end_session_url(None, "s").await, None);
    server.answer_by(|_| Reply::Close);
    assert_eq!(server.client(&[]).end_session_url(None, "s").await, None);
}
