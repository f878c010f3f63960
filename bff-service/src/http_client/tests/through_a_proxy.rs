//! Connections through a proxy, with and without TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::authority::tls;
use super::{Client, HttpError, Sharing, client, get};
use crate::http_client::Proxy;

/// A server that reads one request from each connection, sends these bytes, and closes the connection: over TLS with
/// `close_notify`, or without.
fn fake_server(tls: Arc<ServerConfig>, sent: &'static str, has_close_notify: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
            let mut reader = BufReader::new(StreamOwned::new(connection, stream.unwrap()));
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                line.clear();
            }
            let stream = reader.get_mut();
            let _ = stream.write_all(sent.as_bytes());
            if has_close_notify {
                stream.conn.send_close_notify();
            }
            let _ = stream.flush();
            let _ = stream.sock.shutdown(Shutdown::Write);
            // Wait until the client disconnects, so that the connection is not reset.
            let _ = stream.sock.read(&mut [0; 1024]);
        }
    });
    address
}

/// A proxy that connects each CONNECT to one address, or refuses it with this status. Returns its address, and the
/// heads of the requests.
fn fake_proxy(to: SocketAddr, status: u16) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut client = stream.unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(client.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|length| length > 0) {}
            seen.lock().unwrap().push(head);
            let interim = "HTTP/1.1 100 Continue\r\n\r\n";
            let response = format!("{interim}HTTP/1.1 {status} Said\r\nvia: fake\r\n\r\n");
            client.write_all(response.as_bytes()).unwrap();
            if status == 200 {
                let server = TcpStream::connect(to).unwrap();
                let pairs = [(&client, &server), (&server, &client)].map(|(from, to)| {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    })
                });
                drop(pairs);
            }
        }
    });
    (address, heads)
}

fn proxy(url: &str, exceptions: &str) -> Proxy {
    let value = |name: &str| match name {
        "HTTPS_PROXY" => Some(url.to_owned()),
        "NO_PROXY" => Some(exceptions.to_owned()),
        _ => None,
    };
    Proxy::from_env(value).unwrap()
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[actix_web::test]
async fn https_goes_through_the_tunnel_of_the_proxy_with_its_credentials_and_tls_is_the_servers() {
    let (server, trusting) = tls("login.example.com");
    let (address, heads) = fake_proxy(fake_server(server, HELLO, true), 200);
    let proxy = proxy(&format!("http://user:p%40ss@{address}"), "");
    for sharing in [Sharing::Own, Sharing::Shared] {
        let response = get(&client(&trusting, &proxy), "https://login.example.com/a?b", sharing).await;
        assert_eq!(response.unwrap().body.as_ref(), b"hello");
    }
    let head = heads.lock().unwrap()[0].clone();
    assert!(
        head.starts_with("CONNECT login.example.com:443 HTTP/1.1\r\nhost: login.example.com:443\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nproxy-authorization: Basic dXNlcjpwQHNz\r\n"),
        "{head}"
    );
    // A server with a certificate for another name is refused, whatever the proxy says.
    let response = get(&client(&trusting, &proxy), "https://other.example.com/", Sharing::Own).await;
    assert!(matches!(response, Err(HttpError::Connect(_))));
}

#[actix_web::test]
async fn a_proxy_that_refuses_or_is_away_is_named_without_its_credentials() {
    let (server, trusting) = tls("login.example.com");
    let server = fake_server(server, HELLO, true);
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, said) in [
        (fake_proxy(server, 407).0, "407"),
        (fake_proxy(server, 503).0, "503"),
        (away, "refused"),
    ] {
        let proxy = proxy(&format!("http://user:passphrase@{address}"), "");
        let response = get(&client(&trusting, &proxy), "https://login.example.com/", Sharing::Own).await;
        let Err(error @ HttpError::Connect(_)) = response else {
            panic!("{said}: there was a connection")
        };
        let error = error.to_string();
        let names = error.contains(&format!("http://{address} (HTTPS_PROXY)")) && error.contains(said);
        assert!(names && !error.contains("passphrase"), "{error}");
    }
}

#[actix_web::test]
async fn loopback_and_what_no_proxy_names_are_reached_without_the_proxy() {
    let (server, trusting) = tls("login.example.localhost");
    let server = fake_server(server, HELLO, true);
    let (address, heads) = fake_proxy(server, 503);
    let proxy = proxy(&format!("http://{address}"), "login.example.com");
    let url = format!("https://login.example.localhost:{}/", server.port());
    let response = get(&client(&trusting, &proxy), &url, Sharing::Own).await;
    assert_eq!(response.unwrap().body.as_ref(), b"hello");
    assert!(heads.lock().unwrap().is_empty());
}

async fn get_cut(has_close_notify: bool) -> Result<super::ServerResponse, HttpError> {
    let (server, trusting) = tls("login.example.localhost");
    let server = fake_server(server, "HTTP/1.1 200 OK\r\n\r\nall of it", has_close_notify);
    let client: Client = client(&trusting, &Proxy::default());
    let url = format!("https://login.example.localhost:{}/", server.port());
    get(&client, &url, Sharing::Own).await
}

#[actix_web::test]
async fn over_tls_an_answer_without_length_is_whole_after_the_closing_alert_alone() {
    assert_eq!(get_cut(true).await.unwrap().body.as_ref(), b"all of it");
    assert!(matches!(get_cut(false).await, Err(HttpError::Broken(_))));
}
