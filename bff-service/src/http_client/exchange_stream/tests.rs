//! One response for each request, whatever the server sends, and when.

use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

impl Carrier for DuplexStream {
    fn is_at_rest(&self) -> bool {
        true
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn connected() -> (ExchangeStream<DuplexStream>, DuplexStream) {
    let (ours, servers) = duplex(64 * 1024);
    (ExchangeStream::new(ours), servers)
}

/// Sends a request, lets the server send these bytes, and reads until the response is complete or the connection fails.
async fn exchange(stream: &mut ExchangeStream<DuplexStream>, server: &mut DuplexStream, sent: &[u8]) -> Option<String> {
    stream.write_all(REQUEST).await.ok()?;
    server.write_all(sent).await.unwrap();
    read_response(stream).await
}

async fn read_response(stream: &mut ExchangeStream<DuplexStream>) -> Option<String> {
    let mut response = Vec::new();
    while !response.ends_with(b"0\r\n\r\n") {
        response.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(response).unwrap())
}

/// Whether awc would reuse the connection: only if there is nothing to read, not even the end.
async fn may_be_used_again(stream: &mut ExchangeStream<DuplexStream>) -> bool {
    poll_fn(|cx| {
        let mut space = [0; 2];
        let found = Pin::new(&mut *stream).poll_read(cx, &mut ReadBuf::new(&mut space));
        Poll::Ready(found.is_pending())
    })
    .await
}

#[tokio::test]
async fn a_connection_is_used_again_after_one_whole_answer() {
    let (mut stream, mut server) = connected();
    for _ in 0..3 {
        let response = exchange(&mut stream, &mut server, RESPONSE).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        assert!(may_be_used_again(&mut stream).await);
    }
}

#[tokio::test]
async fn bytes_that_come_after_the_answer_end_the_connection_whenever_they_come() {
    // With the response.
    let (mut stream, mut server) = connected();
    let with_more = [RESPONSE, RESPONSE].concat();
    assert!(exchange(&mut stream, &mut server, &with_more).await.is_some());
    assert!(!may_be_used_again(&mut stream).await);
    assert!(stream.write_all(REQUEST).await.is_err());
    // Before the connection is reused.
    let (mut stream, mut server) = connected();
    assert!(exchange(&mut stream, &mut server, RESPONSE).await.is_some());
    server.write_all(b"H").await.unwrap();
    assert!(!may_be_used_again(&mut stream).await);
    // After the connection is reused, and before the next request.
    let (mut stream, mut server) = connected();
    assert!(exchange(&mut stream, &mut server, RESPONSE).await.is_some());
    assert!(may_be_used_again(&mut stream).await);
    server.write_all(RESPONSE).await.unwrap();
    assert!(stream.write_all(REQUEST).await.is_err());
    assert_eq!(read_response(&mut stream).await, None);
}

#[tokio::test]
async fn an_answer_before_the_first_request_is_none() {
    let (mut stream, mut server) = connected();
    server.write_all(RESPONSE).await.unwrap();
    assert!(stream.write_all(REQUEST).await.is_err());
    assert_eq!(read_response(&mut stream).await, None);
}

#[tokio::test]
async fn an_answer_to_half_a_request_is_given_and_the_connection_is_not_used_again() {
    let (mut stream, mut server) = connected();
    let (first, second) = REQUEST.split_at(10);
    stream.write_all(first).await.unwrap();
    server.write_all(RESPONSE).await.unwrap();
    stream.write_all(second).await.unwrap();
    assert!(read_response(&mut stream).await.unwrap().contains("ok"));
    assert!(!may_be_used_again(&mut stream).await);
}

#[tokio::test]
async fn after_an_interim_answer_the_connection_is_not_used_again() {
    let (mut stream, mut server) = connected();
    let sent = [&b"HTTP/1.1 103 Early Hints\r\n\r\n"[..], RESPONSE].concat();
    let response = exchange(&mut stream, &mut server, &sent).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(!may_be_used_again(&mut stream).await);
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_is_given_whole() {
    let (mut stream, mut server) = connected();
    stream.write_all(REQUEST).await.unwrap();
    server.write_all(b"HTTP/1.1 200 OK\r\n\r\nall of it").await.unwrap();
    server.shutdown().await.unwrap();
    assert!(read_response(&mut stream).await.unwrap().contains("all of it"));
    assert!(!may_be_used_again(&mut stream).await);
}

#[tokio::test]
async fn a_connection_that_the_server_has_ended_is_not_used_again() {
    let (mut stream, mut server) = connected();
    assert!(exchange(&mut stream, &mut server, RESPONSE).await.is_some());
    server.shutdown().await.unwrap();
    assert!(!may_be_used_again(&mut stream).await);
}
