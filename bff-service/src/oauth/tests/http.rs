//! The HTTP client against servers that misbehave.

use std::sync::Arc;

use super::fake_server::{FakeServer, Reply, config};
use crate::oauth::AuthorizationServer;
use crate::oauth::http::{HttpClient, HttpError, ServerResponse};
use crate::telemetry::server_endpoint::ServerEndpoint;

fn client(lines: &[&str]) -> HttpClient {
    let config = config(&[&["authorization_server.issuer = \"http://127.0.0.1\""], lines].concat());
    AuthorizationServer::new(&config.into(), &Arc::default())
        .unwrap()
        .http_client()
}

async fn get(reply: Reply) -> (Result<ServerResponse, HttpError>, FakeServer) {
    let server = FakeServer::start(move |_| reply.clone());
    let response = client(&["authorization_server.request_timeout_ms = 300"])
        .get(ServerEndpoint::Jwks, &server.url("/"), &[], 1000)
        .await;
    (response, server)
}

async fn post(reply: Reply) -> (Result<ServerResponse, HttpError>, FakeServer) {
    let server = FakeServer::start(move |_| reply.clone());
    let request = oauth2::http::Request::post(server.url("/"))
        .body(b"a=b".to_vec())
        .unwrap();
    let response = client(&["authorization_server.request_timeout_ms = 300"])
        .send(ServerEndpoint::Token, request)
        .await;
    (response, server)
}

#[actix_web::test]
async fn an_answer_comes_whole() {
    let (response, server) = get(Reply::Json(200, "hello".into())).await;
    let response = response.unwrap();
    assert_eq!((response.status, response.body.as_ref()), (200, br#""hello""#.as_ref()));
    assert!(response.has_media_type("application/json"));
    assert_eq!(server.requests("/")[0].headers["accept-encoding"], "identity");
}

#[actix_web::test]
async fn a_server_that_never_answers_is_a_timeout() {
    assert!(matches!(get(Reply::Hang).await.0, Err(HttpError::Timeout { .. })));
}

#[actix_web::test]
async fn a_server_that_stops_in_the_middle_of_its_answer_is_a_timeout() {
    let beginnings: [&[u8]; 3] = [
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"acc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"acc\r\n",
    ];
    for beginning in beginnings {
        let (response, _) = get(Reply::Stall(beginning.to_vec())).await;
        assert!(
            matches!(response, Err(HttpError::Timeout { .. })),
            "{}",
            String::from_utf8_lossy(beginning)
        );
    }
}

#[actix_web::test]
async fn a_server_that_is_not_there_is_no_connection() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let response = client(&[])
        .get(ServerEndpoint::Jwks, &format!("http://127.0.0.1:{port}/"), &[], 1000)
        .await;
    assert!(matches!(response, Err(HttpError::Connect(_))));
}

#[actix_web::test]
async fn a_name_that_does_not_exist_is_no_connection() {
    let response = client(&[])
        .get(ServerEndpoint::Jwks, "http://login.example.invalid/", &[], 1000)
        .await;
    assert!(matches!(
        response,
        Err(HttpError::Connect(_) | HttpError::Timeout { .. })
    ));
}

#[actix_web::test]
async fn what_is_not_http_or_cut_is_a_broken_connection() {
    let replies: [&[u8]; 4] = [
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"acc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n",
    ];
    for reply in replies {
        let (response, _) = get(Reply::Raw(reply.to_vec())).await;
        assert!(
            matches!(response, Err(HttpError::Broken(_))),
            "{}",
            String::from_utf8_lossy(reply)
        );
    }
}

#[actix_web::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = FakeServer::start(|_| Reply::Json(200, "believed".into()));
    let (response, _) = get(Reply::Redirect(elsewhere.url("/"))).await;
    assert!(matches!(response, Err(HttpError::Status { status: 302, .. })));
    assert!(elsewhere.requests("/").is_empty());
}

#[actix_web::test]
async fn a_server_error_is_no_answer_and_a_client_error_is_one() {
    assert!(matches!(
        get(Reply::Json(503, "x".into())).await.0,
        Err(HttpError::Status { status: 503, .. })
    ));
    assert!(matches!(
        get(Reply::Json(204, "".into())).await.0,
        Err(HttpError::Status { status: 204, .. })
    ));
    assert_eq!(get(Reply::Json(404, "x".into())).await.0.unwrap().status, 404);
}

#[actix_web::test]
async fn a_huge_answer_is_refused_whether_its_length_is_announced_or_not() {
    let announced = Reply::Text(200, "text/plain", "x".repeat(1001));
    assert!(matches!(get(announced).await.0, Err(HttpError::TooLarge(1000))));
    let chunk = format!("7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2000));
    let hidden = Reply::Raw(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}").into_bytes());
    assert!(matches!(get(hidden).await.0, Err(HttpError::TooLarge(1000))));
}

#[actix_web::test]
async fn a_broken_connection_is_tried_again_once_for_get_and_never_for_post() {
    let (response, server) = get(Reply::Close).await;
    assert!(matches!(response, Err(HttpError::Broken(_))));
    assert_eq!(server.requests("/").len(), 2);
    let (response, server) = post(Reply::Close).await;
    assert!(matches!(response, Err(HttpError::Broken(_))));
    assert_eq!(server.requests("/").len(), 1);
}

#[actix_web::test]
async fn a_compressed_answer_is_not_unpacked() {
    let response = Reply::Text(
        200,
        "application/json\r\ncontent-encoding: gzip",
        "\u{1f}packed".to_owned(),
    );
    assert_eq!(get(response).await.0.unwrap().body.as_ref(), b"\x1fpacked");
}

#[actix_web::test]
async fn retry_after_is_passed_on_as_the_server_wrote_it_whatever_the_status() {
    for (said, headers) in [
        ("7", "text/plain\r\nretry-after: 7"),
        (
            "Fri, 27 Nov 2026 12:00:00 GMT",
            "text/plain\r\nretry-after: Fri, 27 Nov 2026 12:00:00 GMT",
        ),
    ] {
        let response = get(Reply::Text(429, headers, String::new())).await.0.unwrap();
        assert_eq!(response.retry_after.as_deref(), Some(said));
        let Err(HttpError::Status { retry_after, .. }) = get(Reply::Text(503, headers, String::new())).await.0 else {
            panic!("HTTP 503 is not an error");
        };
        assert_eq!(retry_after.as_deref(), Some(said));
    }
}
