//! A connection that returns exactly one response for each request, and nothing else that the server sent.
//!
//! awc treats any data on a connection as the response to its request. On a connection of this type, nothing can be
//! read between two requests. If the server has sent anything that could be mistaken for the response to another
//! request, the connection ends instead of being reused.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::response_reader::ResponseReader;

/// The underlying connection.
pub trait Carrier: AsyncRead + AsyncWrite + Unpin {
    /// Whether no data was received that cannot be read yet, such as a part of a TLS record.
    fn is_at_rest(&self) -> bool;
}

/// A connection with one request at a time and its response.
pub struct ExchangeStream<Io> {
    io: Io,
    phase: Phase,
    /// The response as [`ResponseReader`] writes it, unread from `given` on.
    response: Vec<u8>,
    given: usize,
    /// Whether a response began to arrive before the whole request was sent.
    is_early: bool,
    /// Whether there was an earlier exchange.
    is_used: bool,
}

enum Phase {
    /// No request is in progress.
    Idle,
    /// A request is being sent, or its response read.
    Exchange(Box<ResponseReader>),
    /// The connection cannot be used for another request.
    Ended,
}

impl<Io: Carrier> ExchangeStream<Io> {
    /// A new connection.
    pub fn new(io: Io) -> Self {
        Self {
            io,
            phase: Phase::Idle,
            response: Vec::new(),
            given: 0,
            is_early: false,
            is_used: false,
        }
    }

    /// The underlying connection.
    pub fn carrier(&self) -> &Io {
        &self.io
    }

    /// Whether the last response was read completely, and another request may be sent as far as known.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle) && self.is_drained()
    }

    fn is_drained(&self) -> bool {
        self.given == self.response.len()
    }

    /// Whether a request may be sent now. Reads without waiting: any data, or the end of the connection, makes the
    /// connection unusable.
    fn may_begin(&mut self, cx: &mut Context<'_>) -> bool {
        let mut space = [0; 1];
        let found = Pin::new(&mut self.io).poll_read(cx, &mut ReadBuf::new(&mut space));
        // A partial TLS record on a new connection is a session ticket: there was no response yet.
        found.is_pending() && self.is_drained() && (!self.is_used || self.io.is_at_rest())
    }

    /// Reads once, and processes the data.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Phase::Exchange(reader) = &mut self.phase else {
            return Poll::Ready(Ok(()));
        };
        if self.given == self.response.len() {
            self.response.clear();
            self.given = 0;
        }
        let mut space = [0; 8192];
        let mut received = ReadBuf::new(&mut space);
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut received));
        let received = received.filled();
        let result = read.and_then(|()| match received {
            [] => reader.end(&mut self.response).map(|()| false).map_err(invalid),
            received => {
                let of_response = reader.read(received, &mut self.response).map_err(invalid)?;
                Ok(of_response == received.len())
            }
        });
        let is_alone = match result {
            Ok(is_alone) => is_alone,
            Err(error) => {
                self.phase = Phase::Ended;
                return Poll::Ready(Err(error));
            }
        };
        if reader.is_complete() {
            let may_be_used_again = is_alone && reader.is_reusable() && !self.is_early;
            self.phase = match may_be_used_again {
                true => Phase::Idle,
                false => Phase::Ended,
            };
        }
        Poll::Ready(Ok(()))
    }
}

fn invalid(error: super::response_reader::Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<Io: Carrier> AsyncRead for ExchangeStream<Io> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let ready = this.response.get(this.given..).unwrap_or_default();
            if !ready.is_empty() {
                let length = ready.len().min(buf.remaining());
                buf.put_slice(ready.get(..length).unwrap_or_default());
                this.given += length;
                return Poll::Ready(Ok(()));
            }
            let may_begin = matches!(this.phase, Phase::Idle) && this.may_begin(cx);
            match this.phase {
                // awc reads before it reuses a connection, and expects no data.
                Phase::Idle if may_begin => return Poll::Pending,
                Phase::Idle => this.phase = Phase::Ended,
                Phase::Exchange(_) => ready!(this.poll_receive(cx))?,
                Phase::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<Io: Carrier> AsyncWrite for ExchangeStream<Io> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let may_begin = matches!(this.phase, Phase::Idle) && this.may_begin(cx);
        match this.phase {
            Phase::Idle if may_begin => {
                this.is_early = false;
                this.is_used = true;
                this.phase = Phase::Exchange(Box::default());
            }
            Phase::Idle => this.phase = Phase::Ended,
            Phase::Exchange(_) if !this.is_early => {
                if let Poll::Ready(received) = this.poll_receive(cx) {
                    this.is_early = true;
                    received?;
                    if let Phase::Idle = this.phase {
                        this.phase = Phase::Ended;
                    }
                }
            }
            Phase::Exchange(_) | Phase::Ended => {}
        }
        match this.phase {
            Phase::Exchange(_) => Pin::new(&mut this.io).poll_write(cx, buf),
            // The response has already arrived, so the server does not need the rest of the request.
            Phase::Ended if !this.is_drained() => Poll::Ready(Ok(buf.len())),
            Phase::Idle | Phase::Ended => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server sent data, or closed the connection, before the request",
            ))),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl<Io> fmt::Debug for ExchangeStream<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the received data, which contains tokens.
        f.debug_struct("ExchangeStream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
