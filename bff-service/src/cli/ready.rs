//! `bff-service ready`: asks the service that runs with this configuration whether it is ready. For the health check of
//! a container, whose image has no HTTP client.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum length of a response, in bytes: another server at this port might send without end.
const MAX_RESPONSE_BYTES: u64 = 16 * 1024;

/// Requests `/readyz` of the admin listener.
///
/// # Errors
/// The response if the service is not ready, or why the request failed.
pub fn ask(admin: SocketAddr) -> Result<(), String> {
    let response = get(admin)?;
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some("503") => Err(format!(
            "the service is not ready: HTTP 503: {}: see the log of the service",
            body.trim()
        )),
        Some(status) => Err(format!(
            "{admin} answered /readyz with HTTP {status}: check `server.admin_port`"
        )),
        None => Err(format!("{admin} does not speak HTTP: check `server.admin_port`")),
    }
}

fn get(admin: SocketAddr) -> Result<String, String> {
    let mut target = admin;
    // A listener on the unspecified address accepts connections to loopback.
    if target.ip().is_unspecified() {
        target.set_ip(match target.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let stream = TcpStream::connect_timeout(&target, TIMEOUT).map_err(|error| {
        format!(
            "connecting to the admin listener at {admin} failed: {error}: start the service, or check `server.admin_address` and \
             `server.admin_port`"
        )
    })?;
    exchange(stream, target).map_err(|error| {
        let how = match matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            true => format!("timed out after {} ms", TIMEOUT.as_millis()),
            false => format!("failed: {error}"),
        };
        format!("the request to the admin listener at {admin} {how}: see the log of the service")
    })
}

fn exchange(mut stream: TcpStream, target: SocketAddr) -> std::io::Result<String> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n"
    )?;
    let mut response = Vec::new();
    stream.take(MAX_RESPONSE_BYTES).read_to_end(&mut response)?;
    Ok(String::from_utf8_lossy(&response).into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Asks a listener that sends this response.
    fn asked(response: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = (Ipv4Addr::UNSPECIFIED, listener.local_addr().unwrap().port());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // All of it: what is left unread resets the connection when it is closed.
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            stream.write_all(response.as_bytes()).unwrap();
            String::from_utf8_lossy(&request).into_owned()
        });
        let outcome = ask(admin.into());
        assert!(thread.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
        outcome
    }

    #[test]
    fn a_service_that_is_not_ready_is_told_with_its_reason() {
        assert_eq!(asked("HTTP/1.1 200 OK\r\n\r\nready\n"), Ok(()));
        assert_eq!(
            asked("HTTP/1.1 503 Service Unavailable\r\n\r\nthe metadata are not loaded\n"),
            Err(
                "the service is not ready: HTTP 503: the metadata are not loaded: see the log of the service"
                    .to_owned()
            )
        );
        assert!(asked("SSH-2.0").is_err_and(|error| error.contains("does not speak HTTP")));
    }

    #[test]
    fn a_service_that_does_not_respond_is_told_from_one_that_does_not_run() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = ask(listener.local_addr().unwrap()).unwrap_err();
        assert!(error.contains("timed out after 2000 ms"), "{error}");
    }

    #[test]
    fn a_service_that_does_not_run_is_not_ready() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let admin = (Ipv4Addr::LOCALHOST, port);
        assert!(ask(admin.into()).is_err_and(|error| error.contains(&format!("127.0.0.1:{port}"))));
    }
}
