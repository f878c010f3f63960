//! The whole API against an issuer of the test: tokens in, statuses out.

use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{App, HttpResponse, HttpServer, rt, test, web};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::jwks::KeyStore;
use crate::routes;
use crate::token::Validator;

const ISSUER: &str = "https://login.test";
const AUDIENCE: &str = "demo-api";

/// A signing key of the test's issuer, and the header of the tokens that it signs.
struct Signer {
    key: EncodingKey,
    header: Header,
    jwk: Jwk,
}

impl Signer {
    fn es256(kid: &str) -> Signer {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("a key");
        Signer::new(EncodingKey::from_ec_der(pkcs8.as_ref()), Algorithm::ES256, kid)
    }

    fn rs256(kid: &str) -> Signer {
        use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key");
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().expect("DER");
        Signer::new(EncodingKey::from_rsa_der(&pkcs1(pkcs8.as_ref())), Algorithm::RS256, kid)
    }

    fn new(key: EncodingKey, alg: Algorithm, kid: &str) -> Signer {
        let mut jwk = Jwk::from_encoding_key(&key, alg).expect("its public key");
        jwk.common.key_id = Some(kid.to_owned());
        let mut header = Header::new(alg);
        header.kid = Some(kid.to_owned());
        header.typ = Some("at+jwt".to_owned());
        Signer { key, header, jwk }
    }

    fn sign(&self, claims: &Value) -> String {
        encode(&self.header, claims, &self.key).expect("a token")
    }
}

/// The RSAPrivateKey inside a PKCS #8 document, after version, algorithm and OCTET STRING header: 26 bytes for any key
/// whose length needs two bytes.
fn pkcs1(pkcs8: &[u8]) -> Vec<u8> {
    pkcs8[26..].to_vec()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now() + 60, "iat": now(), "client_id": "spa-client"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}

/// Serves these keys at a free port and returns the document's URL.
fn serve_jwks(keys: Vec<Jwk>) -> String {
    let server = HttpServer::new(move || {
        let document = json!({"keys": keys.clone()});
        App::new().default_service(web::to(move || {
            let document = document.clone();
            async move { HttpResponse::Ok().json(document) }
        }))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .expect("a free port");
    let address = server.addrs()[0];
    rt::spawn(server.run());
    format!("http://{address}/jwks")
}

async fn call(jwks_uri: String, request: test::TestRequest) -> ServiceResponse {
    let app = App::new()
        .app_data(web::Data::new(Validator::new(ISSUER, AUDIENCE, "at+jwt")))
        .app_data(web::Data::new(KeyStore::new(jwks_uri)))
        .app_data(web::Data::new(awc::Client::default()))
        .configure(routes::configure);
    test::call_service(&test::init_service(app).await, request.to_request())
        .await
        .map_into_boxed_body()
}

fn get(authorization: &str) -> test::TestRequest {
    test::TestRequest::get()
        .uri("/api/data")
        .append_header((header::AUTHORIZATION, authorization))
}

async fn status_for(signer: &Signer, claims: &Value) -> StatusCode {
    let jwks_uri = serve_jwks(vec![signer.jwk.clone()]);
    call(jwks_uri, get(&format!("Bearer {}", signer.sign(claims))))
        .await
        .status()
}

async fn assert_refused(response: ServiceResponse) {
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().get(header::WWW_AUTHENTICATE).is_some());
    let body: Value = test::read_body_json(response).await;
    assert!(body["code"].is_string() && body["message"].is_string());
}

#[actix_web::test]
async fn a_valid_token_gets_data_whichever_key_of_the_issuer_signed_it() {
    let (es, rs) = (Signer::es256("e"), Signer::rs256("r"));
    let jwks_uri = serve_jwks(vec![rs.jwk.clone(), es.jwk.clone()]);
    for signer in [es, rs] {
        let response = call(jwks_uri.clone(), get(&format!("bearer {}", signer.sign(&claims())))).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = test::read_body_json(response).await;
        assert!(
            body["message"]
                .as_str()
                .is_some_and(|message| message.contains("alice"))
        );
    }
}

#[actix_web::test]
async fn unsafe_methods_echo_the_item() {
    let signer = Signer::es256("e");
    let jwks_uri = serve_jwks(vec![signer.jwk.clone()]);
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = get(&format!("Bearer {}", signer.sign(&claims()))).method(method);
        let response = call(jwks_uri.clone(), request.set_json(json!({"item": "x".repeat(500)}))).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = test::read_body_json(response).await;
        assert!(
            body["message"]
                .as_str()
                .is_some_and(|message| message.matches('x').count() == 100)
        );
    }
}

#[actix_web::test]
async fn claims_that_do_not_fit_are_refused() {
    let signer = Signer::es256("e");
    let wrong = [
        ("iss", json!("https://evil.test")),
        ("iss", json!([ISSUER, "https://evil.test"])),
        ("iss", Value::Null),
        ("aud", json!("another-api")),
        ("aud", Value::Null),
        ("exp", json!(now() - 60)),
        ("exp", json!("tomorrow")),
        ("exp", Value::Null),
        ("nbf", json!(now() + 60)),
        ("sub", Value::Null),
    ];
    for (name, value) in wrong {
        assert_eq!(
            status_for(&signer, &with(name, value.clone())).await,
            StatusCode::UNAUTHORIZED,
            "{name} {value}"
        );
    }
    assert_eq!(
        status_for(&signer, &with("aud", json!(["another-api", AUDIENCE]))).await,
        StatusCode::OK
    );
}

#[actix_web::test]
async fn other_types_of_token_are_refused() {
    for typ in [None, Some("JWT"), Some("logout+jwt"), Some("token-introspection+jwt")] {
        let mut signer = Signer::es256("e");
        signer.header.typ = typ.map(str::to_owned);
        assert_eq!(status_for(&signer, &claims()).await, StatusCode::UNAUTHORIZED);
    }
    let mut signer = Signer::es256("e");
    signer.header.typ = Some("application/at+jwt".to_owned());
    assert_eq!(status_for(&signer, &claims()).await, StatusCode::OK);
}

#[actix_web::test]
async fn a_token_of_a_foreign_key_is_refused_even_under_a_known_key_id() {
    let jwks_uri = serve_jwks(vec![Signer::es256("e").jwk]);
    for kid in ["e", "unknown"] {
        let foreign = Signer::es256(kid);
        assert_refused(call(jwks_uri.clone(), get(&format!("Bearer {}", foreign.sign(&claims())))).await).await;
    }
}

#[actix_web::test]
async fn a_token_cannot_choose_its_algorithm() {
    let signer = Signer::rs256("r");
    let jwks_uri = serve_jwks(vec![signer.jwk.clone()]);
    // Algorithm confusion: the public key as the secret of a symmetric algorithm.
    let symmetric = Signer {
        key: EncodingKey::from_secret(b"public"),
        header: Header::new(Algorithm::HS256),
        ..signer
    };
    let mut header = symmetric.header.clone();
    header.kid = Some("r".to_owned());
    header.typ = Some("at+jwt".to_owned());
    let forged = encode(&header, &claims(), &symmetric.key).expect("a token");
    assert_refused(call(jwks_uri.clone(), get(&format!("Bearer {forged}"))).await).await;
    // alg none: {"alg":"none","typ":"at+jwt","kid":"r"} and no signature.
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiciJ9.e30.";
    assert_refused(call(jwks_uri, get(&format!("Bearer {none}"))).await).await;
}

#[actix_web::test]
async fn exactly_one_bearer_token_is_wanted() {
    let signer = Signer::es256("e");
    let jwks_uri = serve_jwks(vec![signer.jwk.clone()]);
    let token = format!("Bearer {}", signer.sign(&claims()));
    assert_refused(call(jwks_uri.clone(), test::TestRequest::get().uri("/api/data")).await).await;
    let twice = get(&token).append_header((header::AUTHORIZATION, token.clone()));
    assert_refused(call(jwks_uri.clone(), twice).await).await;
    for other in [
        "Basic YTpi",
        "Bearer",
        "Bearer ",
        "Bearer a.b.c",
        &token.replace("Bearer ", "Bearer  "),
    ] {
        assert_refused(call(jwks_uri.clone(), get(other)).await).await;
    }
}

#[actix_web::test]
async fn without_the_issuer_the_api_says_so_and_lives() {
    let signer = Signer::es256("e");
    let closed = "http://127.0.0.1:1/jwks".to_owned();
    let response = call(closed.clone(), get(&format!("Bearer {}", signer.sign(&claims())))).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let response = call(closed, test::TestRequest::get().uri("/healthz")).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[actix_web::test]
async fn other_paths_and_methods_are_refused_in_json() {
    let signer = Signer::es256("e");
    let jwks_uri = serve_jwks(vec![signer.jwk.clone()]);
    let response = call(jwks_uri.clone(), test::TestRequest::get().uri("/api/other")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let token = format!("Bearer {}", signer.sign(&claims()));
    let trace = get(&token).method(Method::TRACE);
    assert_eq!(
        call(jwks_uri.clone(), trace).await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    let long = get(&token).method(Method::POST).set_payload(vec![b'x'; 20 * 1024]);
    assert_eq!(call(jwks_uri, long).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}
