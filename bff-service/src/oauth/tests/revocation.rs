//! Revocations in the background: repeated at a time that the server sends, and of tokens that must not stay valid.

use serde_json::json;
use zeroize::Zeroizing;

use super::fake_server::{FakeServer, Reply, Request};
use super::log_lines;
use crate::oauth::OAuthClient;

fn secret(token: &str) -> Option<Zeroizing<String>> {
    Some(token.to_owned().into())
}

/// The revocation requests: token and hint.
fn asked(server: &FakeServer) -> Vec<(String, String)> {
    let requests = server.requests("/revoke");
    let pairs = requests.iter().map(|request| {
        let mut form = request.form();
        (form.remove("token").unwrap(), form.remove("token_type_hint").unwrap())
    });
    pairs.collect()
}

fn pair(token: &str, hint: &str) -> (String, String) {
    (token.to_owned(), hint.to_owned())
}

#[actix_web::test]
async fn a_revocation_is_asked_for_again_where_the_server_says_when() {
    for status in ["503 Busy", "429 Too Many Requests"] {
        let mut number = 0;
        let busy = format!("HTTP/1.1 {status}\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .into_bytes();
        let server = FakeServer::with_metadata(json!({}), move |_| {
            number += 1;
            match number {
                1 => Reply::Raw(busy.clone()),
                _ => Reply::Json(200, json!({})),
            }
        });
        server.client(&[]).revoke(secret("rt"), None).await;
        server.wait_for("/revoke", 2).await;
        assert_eq!(
            asked(&server),
            [pair("rt", "refresh_token"), pair("rt", "refresh_token")]
        );
    }
}

#[actix_web::test]
async fn the_refresh_token_is_revoked_first_since_the_access_token_may_go_with_it() {
    let server = FakeServer::with_metadata(json!({}), |_| Reply::Json(200, json!({})));
    server.client(&[]).revoke(secret("rt"), secret("at")).await;
    server.wait_for("/revoke", 2).await;
    assert_eq!(
        asked(&server),
        [pair("rt", "refresh_token"), pair("at", "access_token")]
    );
}

/// The log lines if the server answers the revocation of the refresh token with this status, and that of the access token
/// with an error.
async fn logged(refresh_token: u16) -> Vec<String> {
    let server = FakeServer::with_metadata(
        json!({}),
        move |request: &Request| match request.form()["token_type_hint"].as_str() {
            "refresh_token" => Reply::Json(refresh_token, json!({"error": "invalid_request"})),
            _ => Reply::Json(400, json!({"error": "unsupported_token_type"})),
        },
    );
    log_lines::of(async {
        let client: OAuthClient = server.client(&[]);
        client.revoke(secret("rt"), secret("at")).await;
        server.wait_for("/revoke", 2).await;
        // When the next request of the same worker has arrived, the response to the previous one has been read.
        client.revoke(None, secret("at")).await;
        server.wait_for("/revoke", 3).await;
    })
    .await
}

#[actix_web::test]
async fn an_access_token_that_cannot_be_revoked_after_its_refresh_token_is_no_reason_to_warn() {
    let rejected = "revoking the access token failed: the revocation endpoint answered HTTP 400 with error \
                   `unsupported_token_type`";
    let lines = logged(200).await;
    assert!(lines.contains(&format!("DEBUG {rejected}")), "{lines:?}");
    let lines = logged(400).await;
    assert!(lines.contains(&format!("WARN {rejected}")), "{lines:?}");
    let first = "WARN revoking the refresh token failed: the revocation endpoint answered HTTP 400 with error \
                 `invalid_request`";
    assert!(lines.iter().any(|line| line == first), "{lines:?}");
}

#[actix_web::test]
async fn tokens_that_came_with_an_unacceptable_id_token_do_not_stay_behind() {
    let server = FakeServer::with_metadata(json!({}), |request: &Request| match request.path() {
        "/token" => Reply::Json(
            200,
            json!({"access_token": "at", "token_type": "Bearer", "refresh_token": "rt-2", "id_token": "not.a.token"}),
        ),
        _ => Reply::Json(200, json!({})),
    });
    assert!(server.client(&[]).refresh("rt-1", None, None).await.is_err());
    server.wait_for("/revoke", 2).await;
    assert!(super::grants::exchange(&server, &[]).await.is_err());
    server.wait_for("/revoke", 4).await;
    let both = [pair("rt-2", "refresh_token"), pair("at", "access_token")];
    assert_eq!(asked(&server), [both.clone(), both].concat());
}
