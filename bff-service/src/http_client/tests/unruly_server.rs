//! A fake server that answers `GET /N` with `N`, and treats its connections in every way that a server may, and in
//! many that it must not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Pseudorandom numbers that are the same in each run.
#[derive(Clone)]
pub(super) struct Seeded(pub(super) u64);

impl Seeded {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// How a server with this seed handles one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Length,
    Chunks,
    UntilClose,
    Http10,
    EarlyHints,
    ManyInterim,
    LateAfterEarlyHints,
    Surplus,
    /// A well-formed response to another request, shortly after the requested one.
    LateSurplus,
    SurplusAfterNoContent,
    Cut,
    CutChunks,
    Close,
    Nonsense,
    TwoLengths,
    Switch,
}

impl Manner {
    fn pick(seeded: &mut Seeded, is_lying: bool) -> Manner {
        match seeded.below(24) {
            0 => Manner::Chunks,
            1 => Manner::UntilClose,
            2 => Manner::Http10,
            3 => Manner::EarlyHints,
            4 => Manner::ManyInterim,
            5 => Manner::LateAfterEarlyHints,
            6 => Manner::Surplus,
            7 if is_lying => Manner::LateSurplus,
            8 => Manner::SurplusAfterNoContent,
            9 => Manner::Cut,
            10 => Manner::CutChunks,
            11 => Manner::Close,
            12 => Manner::Nonsense,
            13 => Manner::TwoLengths,
            14 => Manner::Switch,
            _ => Manner::Length,
        }
    }
}

/// The response that is sent before any request.
pub(super) const UNASKED: &str = "unasked";

/// Starts the server for the lifetime of the test process, over TLS if there is a TLS configuration. A lying server also
/// sends well-formed responses before and after the requested one, at times when no client can distinguish them.
pub(super) fn start(seed: u64, tls: Option<Arc<ServerConfig>>, is_lying: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut seeded = Seeded(seed);
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            seeded.below(1);
            let (seeded, tls) = (seeded.clone(), tls.clone());
            std::thread::spawn(move || match tls {
                None => serve(stream, seeded, is_lying),
                Some(tls) => serve(
                    StreamOwned::new(ServerConnection::new(tls).unwrap(), stream),
                    seeded,
                    is_lying,
                ),
            });
        }
    });
    address
}

fn respond(number: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{number}", number.len())
}

fn serve(stream: impl Read + Write, mut seeded: Seeded, is_lying: bool) {
    let mut reader = BufReader::new(stream);
    if is_lying && seeded.below(40) == 0 {
        let _ = reader.get_mut().write_all(respond(UNASKED).as_bytes());
        let _ = reader.get_mut().flush();
    }
    while let Some(number) = read(&mut reader) {
        let manner = Manner::pick(&mut seeded, is_lying);
        let whole = respond(&number);
        let (sent, ends) = match manner {
            Manner::Length => (whole, false),
            Manner::Chunks => {
                let chunks = format!("{:x};a=b\r\n{number}\r\n0\r\nx-trailer: y\r\n\r\n", number.len());
                (
                    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"),
                    false,
                )
            }
            Manner::UntilClose => (format!("HTTP/1.1 200 OK\r\n\r\n{number}"), true),
            Manner::Http10 => (format!("HTTP/1.0 200 OK\r\n\r\n{number}"), true),
            Manner::EarlyHints => (format!("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n{whole}"), false),
            Manner::ManyInterim => (
                format!("{}{whole}", "HTTP/1.1 102 Processing\r\n\r\n".repeat(20)),
                false,
            ),
            Manner::LateAfterEarlyHints => {
                let hints = reader.get_mut().write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n");
                if hints.and_then(|()| reader.get_mut().flush()).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(2));
                (whole, false)
            }
            Manner::Surplus => (format!("{whole}{}", respond("surplus")), false),
            Manner::LateSurplus => {
                if reader.get_mut().write_all(whole.as_bytes()).is_err() {
                    return;
                }
                let _ = reader.get_mut().flush();
                std::thread::sleep(Duration::from_millis(2));
                (respond("late"), false)
            }
            Manner::SurplusAfterNoContent => (format!("HTTP/1.1 204 No Content\r\n\r\n{}", respond("surplus")), false),
            Manner::Cut => (whole[..whole.len() - 1].to_owned(), true),
            Manner::CutChunks => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                (format!("{head}{:x}\r\n{number}\r\n", number.len()), true)
            }
            Manner::Close => (String::new(), true),
            Manner::Nonsense => ("HTTP/1.1 wherever\r\n\r\n".to_owned(), false),
            Manner::TwoLengths => (whole.replace("\r\n\r\n", "\r\ncontent-length: 1\r\n\r\n"), false),
            Manner::Switch => (format!("HTTP/1.1 101 Switching Protocols\r\n\r\n{whole}"), false),
        };
        // In one piece: what belongs together arrives together.
        if reader.get_mut().write_all(sent.as_bytes()).is_err() || reader.get_mut().flush().is_err() || ends {
            break;
        }
    }
}

/// The requested number.
fn read(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head.split(' ').nth(1)?.strip_prefix('/')?.to_owned())
}
