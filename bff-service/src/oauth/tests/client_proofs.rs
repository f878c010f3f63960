//! The client's proofs as the server receives them: assertions, request objects, pushed requests, a certificate.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use url::Url;

use super::client_keys::{key_files, parts};
use super::fake_server::{FakeServer, REDIRECT_URI, Reply, redirect_uri};
use crate::clock;

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
    let server = FakeServer::with_metadata(
        json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
        |_| Reply::Json(400, json!({"error": "invalid_grant"})),
    );
    let client = server.client(&[&key]);
    for _ in 0..2 {
        let _ = client.refresh("rt", None, None).await;
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
        // The issuer and not an endpoint: another server could have lured the client to one.
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
    let server = FakeServer::with_metadata(json!({}), |_| Reply::Json(400, json!({"error": "invalid_grant"})));
    let _ = server.client(&[&key]).refresh("rt", None, None).await;
    let request = server.requests("/token").pop().unwrap();
    assert!(request.headers["authorization"].starts_with("Basic "));
    assert!(!request.form().contains_key("client_assertion"));
}

#[actix_web::test]
async fn a_request_object_holds_the_whole_request_and_is_good_for_the_issuer_alone() {
    let (_folder, key) = key_files();
    let server = FakeServer::with_metadata(json!({"require_signed_request_object": true}), |_| Reply::Close);
    let client = server.client(&[&key, "client.authentication = \"client_secret_basic\""]);
    let extra = [
        ("max_age".to_owned(), "60".to_owned()),
        ("claims".to_owned(), r#"{"id_token":{"acr":null}}"#.to_owned()),
        ("resource".to_owned(), "https://a".to_owned()),
        ("resource".to_owned(), "https://b".to_owned()),
    ];
    let request = client.authorization_request(&redirect_uri(), &extra).await.unwrap();
    let query = query(&request.url);
    let mut names: Vec<&str> = query.keys().map(String::as_str).collect();
    names.sort_unstable();
    // `tenant` is a parameter of the endpoint URL itself.
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
    // Each has the JSON type of its parameter.
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
    let server = FakeServer::with_metadata(more, move |_| {
        number += 1;
        Reply::Json(
            201,
            json!({"request_uri": format!("urn:request:{number}"), "expires_in": 60}),
        )
    });
    let client = server.client(&[]);
    for number in 1..=2 {
        let request = client.authorization_request(&redirect_uri(), &[]).await.unwrap();
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
            Reply::Json(
                400,
                json!({"error": "invalid_request", "error_description": ": secret"}),
            ),
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
        let server = FakeServer::with_metadata(more, move |_| reply.clone());
        let error = server
            .client(&[])
            .authorization_request(&redirect_uri(), &[])
            .await
            .err()
            .unwrap();
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
        assert!(!error.to_string().contains(": secret"), "{error}");
    }
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
    let more = json!({
        "token_endpoint_auth_methods_supported": ["tls_client_auth"],
        "mtls_endpoint_aliases": {"token_endpoint": "/mtls/token", "revocation_endpoint": "/mtls/revoke"},
    });
    let server = FakeServer::with_metadata(more, |_| {
        Reply::Json(200, json!({"access_token": "at", "token_type": "Bearer"}))
    });
    let client = server.client(&[&certificate, &key]);
    assert!(client.refresh("rt", None, None).await.is_ok());
    client.revoke(Some("rt".to_owned().into()), None).await;
    server.wait_for("/mtls/revoke", 1).await;
    for path in ["/mtls/token", "/mtls/revoke"] {
        let form = server.requests(path).pop().unwrap().form();
        assert_eq!(form["client_id"], "spa client", "{path}");
        assert!(!form.contains_key("client_secret"), "{path}");
    }
    assert!(server.requests("/token").is_empty() && server.requests("/revoke").is_empty());
}

#[actix_web::test]
async fn an_assertion_is_for_the_token_endpoint_where_the_configuration_says_so_and_never_by_the_metadata_alone() {
    let metadata = json!({
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "revocation_endpoint_auth_methods_supported": ["private_key_jwt"],
    });
    let server = FakeServer::with_metadata(metadata, |_| Reply::Json(400, json!({"error": "invalid_grant"})));
    let (issuer, endpoint) = (server.url(""), server.url("/token"));
    let (_folder, key) = key_files();
    for (line, audience, typ) in [
        ("", &issuer, "client-authentication+jwt"),
        (
            "client.assertion_audience = \"issuer\"",
            &issuer,
            "client-authentication+jwt",
        ),
        ("client.assertion_audience = \"token_endpoint\"", &endpoint, "JWT"),
    ] {
        let client = server.client(&[&key, line]);
        let _ = client.refresh("rt", None, None).await;
        let before = server.requests("/revoke").len();
        client.revoke(Some("rt".to_owned().into()), None).await;
        server.wait_for("/revoke", before + 1).await;
        for path in ["/token", "/revoke"] {
            let form = server.requests(path).pop().unwrap().form();
            let (header, claims) = parts(&form["client_assertion"]);
            // One string, because some servers refuse a list.
            assert_eq!(
                (&claims["aud"], &header["typ"]),
                (&json!(audience), &json!(typ)),
                "{line} {path}"
            );
        }
    }
}

#[actix_web::test]
async fn assertions_request_objects_and_proofs_have_the_name_that_the_server_has_for_ed25519() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    std::fs::write(&path, pair.serialize_pem()).unwrap();
    let path = path.to_str().unwrap();
    let (keys, dpop) = (
        format!("client.signing_key_files = [{path:?}]"),
        format!("client.dpop_key_file = {path:?}"),
    );
    for (names, configured, expected) in [
        (json!(["Ed25519"]), "", "Ed25519"),
        (json!(["ES256", "EdDSA"]), "", "EdDSA"),
        (json!(["EdDSA", "Ed25519"]), "", "Ed25519"),
        (json!(["Ed25519"]), "client.signing_algorithm = \"EdDSA\"", "EdDSA"),
        (json!(["EdDSA"]), "client.signing_algorithm = \"Ed25519\"", "Ed25519"),
    ] {
        let metadata = json!({
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": names,
            "request_object_signing_alg_values_supported": names,
            "dpop_signing_alg_values_supported": names,
            "id_token_signing_alg_values_supported": names,
        });
        let server = FakeServer::with_metadata(metadata, |_| Reply::Json(400, json!({"error": "invalid_grant"})));
        let client = server.client(&[&keys, &dpop, configured, "client.signed_request_objects = true"]);
        let _ = client.refresh("rt", None, None).await;
        let request = server.requests("/token").pop().unwrap();
        let url = client.authorization_request(&redirect_uri(), &[]).await.unwrap().url;
        let alg = |jwt: &str| parts(jwt).0["alg"].as_str().unwrap().to_owned();
        assert_eq!(
            alg(&request.form()["client_assertion"]),
            expected,
            "{names} {configured}"
        );
        assert_eq!(alg(&query(&url)["request"]), expected, "{names} {configured}");
        if configured.is_empty() {
            assert_eq!(alg(&request.headers["dpop"]), expected, "{names}");
        }
    }
}
