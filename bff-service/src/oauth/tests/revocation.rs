//! Revocations: asked for again where the server says when, and of what must not stay behind.

use std::rc::Rc;

use serde_json::json;

use super::fake_server::{FakeServer, Reply, Request};

#[actix_web::test]
async fn a_revocation_is_asked_for_again_where_the_server_says_when_and_nobody_waits() {
    let mut number = 0;
    let server = FakeServer::with_metadata(json!({}), move |_| {
        number += 1;
        match number {
            1 => Reply::Raw(
                b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec(),
            ),
            _ => Reply::Json(200, json!({})),
        }
    });
    Rc::new(server.client(&[]))
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
    let server = FakeServer::with_metadata(json!({}), |request: &Request| match request.path() {
        "/token" => Reply::Json(
            200,
            json!({"access_token": "at", "token_type": "Bearer", "refresh_token": "rt-2", "id_token": "not.a.token"}),
        ),
        _ => Reply::Json(200, json!({})),
    });
    assert!(server.client(&[]).refresh("rt-1", None).await.is_err());
    assert_eq!(server.requests("/revoke")[0].form()["token"], "rt-2");
}
