//! Two users in turn on one connection to a server that sends anything at any time: neither reads a byte that arrived
//! before their own request was being written.
#![no_main]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bff_service::http_client::exchange_stream::{Carrier, ExchangeStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const REQUEST: &[u8] = b"POST /token HTTP/1.1\r\nhost: a\r\n\r\n";
/// The bytes that replace those that are not ASCII, by the user in whose turn they arrive.
const MARKS: [u8; 2] = [0xaa, 0xbb];

/// What the server has sent, and whether it has closed the connection.
#[derive(Default)]
struct Received {
    bytes: VecDeque<u8>,
    is_closed: bool,
}

#[derive(Clone, Default)]
struct Connection(Rc<RefCell<Received>>);

impl Carrier for Connection {
    fn is_at_rest(&self) -> bool {
        true
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut received = self.0.borrow_mut();
        if received.bytes.is_empty() && !received.is_closed {
            return Poll::Pending;
        }
        let length = buf.remaining().min(received.bytes.len());
        for byte in received.bytes.drain(..length) {
            buf.put_slice(&[byte]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A connection of a pool, which is replaced when the pool would replace it.
struct Pool {
    server: Connection,
    stream: ExchangeStream<Connection>,
}

impl Pool {
    fn new() -> Self {
        let server = Connection::default();
        let stream = ExchangeStream::new(server.clone());
        Self { server, stream }
    }

    /// The server sends this in the turn of the user with this mark. After the byte 255 it closes the connection.
    fn deliver(&self, sent: &[u8], mark: u8) {
        let mut received = self.server.0.borrow_mut();
        for byte in sent {
            match byte {
                255 => received.is_closed = true,
                _ if received.is_closed => {}
                128..255 => received.bytes.push_back(mark),
                byte => received.bytes.push_back(*byte),
            }
        }
    }

    /// Whether `awc`, the HTTP client, would reuse it.
    fn is_usable(&mut self) -> bool {
        let mut space = [0; 2];
        let mut cx = Context::from_waker(Waker::noop());
        let found = Pin::new(&mut self.stream).poll_read(&mut cx, &mut ReadBuf::new(&mut space));
        self.stream.is_idle() && found.is_pending()
    }

    fn write(&mut self, part: &[u8]) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        matches!(Pin::new(&mut self.stream).poll_write(&mut cx, part), Poll::Ready(Ok(_)))
    }

    /// Reads all available bytes, and returns whether more may follow.
    fn read(&mut self, into: &mut Vec<u8>) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let mut space = [0; 100];
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(&mut cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => into.extend(buf.filled()),
                Poll::Ready(_) => return false,
                Poll::Pending => return true,
            }
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // Five points in each turn, and the bytes that the server sends at each.
    let points: Vec<&[u8]> = data.split(|byte| *byte == 254).collect();
    let mut pool = Pool::new();
    for (turn, points) in points.chunks(5).enumerate() {
        let at = |point: usize| points.get(point).copied().unwrap_or_default();
        let (mark, other) = (MARKS[turn % 2], MARKS[(turn + 1) % 2]);
        pool.deliver(at(0), other);
        if !pool.is_usable() {
            pool = Pool::new();
        }
        pool.deliver(at(1), other);
        let (first, second) = REQUEST.split_at(10);
        if !pool.write(first) {
            pool = Pool::new();
            continue;
        }
        pool.deliver(at(2), mark);
        let mut read = Vec::new();
        if pool.write(second) {
            pool.deliver(at(3), mark);
            if pool.read(&mut read) {
                pool.deliver(at(4), mark);
                pool.read(&mut read);
            }
        }
        assert!(!read.contains(&other), "the response of another user");
        if !pool.stream.is_idle() {
            pool = Pool::new();
        }
    }
});
