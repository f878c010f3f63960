//! TCP and TLS connections on which a read without waiting returns all data that has been received.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::rt::net::{ActixStream, Ready};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::exchange_stream::{Carrier, ExchangeStream};

/// A TCP connection that asks the operating system at each read.
///
/// tokio's own stream answers from the last state of the event loop, so a read without waiting could miss data that has
/// arrived since.
#[derive(Debug)]
pub(super) struct EagerTcp(TcpStream);

impl EagerTcp {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(stream)
    }
}

impl AsyncRead for EagerTcp {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match rustix::net::recv(&this.0, buf.initialize_unfilled(), rustix::net::RecvFlags::DONTWAIT) {
            Ok((length, _)) => {
                buf.advance(length);
                Poll::Ready(Ok(()))
            }
            // No data now. tokio reports when there is some.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Pin::new(&mut this.0).poll_read(cx, buf),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

impl AsyncWrite for EagerTcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

/// The connection below TLS, which knows whether the received data ends at a record boundary (RFC 8446, section 5.1).
#[derive(Debug)]
struct Records {
    tcp: EagerTcp,
    position: RecordPosition,
}

/// The position within a record.
#[derive(Debug, Default, PartialEq, Eq)]
struct RecordPosition {
    header: [u8; 5],
    header_bytes: usize,
    /// The number of bytes of the record's content that are left.
    bytes_left: u16,
}

impl RecordPosition {
    fn advance(&mut self, mut received: &[u8]) {
        while let Some((first, rest)) = received.split_first() {
            if self.bytes_left > 0 {
                let skipped = usize::from(self.bytes_left).min(received.len());
                self.bytes_left -= u16::try_from(skipped).unwrap_or(self.bytes_left);
                received = received.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(byte) = self.header.get_mut(self.header_bytes) {
                *byte = *first;
            }
            self.header_bytes += 1;
            received = rest;
            if self.header_bytes == self.header.len() {
                let [_, _, _, high, low] = self.header;
                self.bytes_left = u16::from_be_bytes([high, low]);
                self.header_bytes = 0;
            }
        }
    }

    fn is_between_records(&self) -> bool {
        self.header_bytes == 0 && self.bytes_left == 0
    }
}

impl AsyncRead for Records {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.tcp).poll_read(cx, buf);
        this.position.advance(buf.filled().get(before..).unwrap_or_default());
        read
    }
}

impl AsyncWrite for Records {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

/// The transport of requests and responses.
#[derive(Debug)]
pub(super) enum Transport {
    /// TCP alone.
    Plain(EagerTcp),
    /// TLS.
    Tls(Box<Tls>),
}

/// TLS over TCP.
#[derive(Debug)]
pub(super) struct Tls(TlsStream<Records>);

impl Transport {
    /// Performs the TLS handshake with the server of this name.
    pub(super) async fn secure(
        tcp: EagerTcp,
        server: ServerName<'static>,
        config: &Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let records = Records {
            tcp,
            position: RecordPosition::default(),
        };
        let stream = TlsConnector::from(Arc::clone(config)).connect(server, records).await?;
        Ok(Self::Tls(Box::new(Tls(stream))))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => &tcp.0,
            Self::Tls(tls) => &tls.0.get_ref().0.tcp.0,
        }
    }
}

impl Drop for Tls {
    /// Sends `close_notify` (RFC 8446, section 6.1), as far as possible without waiting.
    fn drop(&mut self) {
        struct WithoutWaiting<'a>(&'a TcpStream);

        impl Write for WithoutWaiting<'_> {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.0.try_write(buf)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let (records, session) = self.0.get_mut();
        session.send_close_notify();
        // Whether the server receives it has no effect here.
        let _ = session.write_tls(&mut WithoutWaiting(&records.tcp.0));
    }
}

impl Carrier for Transport {
    fn is_at_rest(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tls(tls) => tls.0.get_ref().0.position.is_between_records(),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(&mut tls.0).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(&mut tls.0).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(&mut tls.0).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(&mut tls.0).poll_shutdown(cx),
        }
    }
}

/// awc requires this trait for the streams of a connector.
impl ActixStream for ExchangeStream<Transport> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.carrier().tcp(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.carrier().tcp(), cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_has_arrived_in_part_is_seen_wherever_it_is_cut() {
        // Three bytes of content, none, and one.
        let records = [23, 3, 3, 0, 3, 1, 2, 3, 23, 3, 3, 0, 0, 23, 3, 3, 0, 1, 9];
        let boundaries = [0, 8, 13, 19];
        for cut in 0..=records.len() {
            for second in 0..=cut {
                let mut position = RecordPosition::default();
                position.advance(&records[..second]);
                position.advance(&records[second..cut]);
                assert_eq!(position.is_between_records(), boundaries.contains(&cut), "{cut}");
            }
        }
    }
}
