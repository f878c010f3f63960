//! In place of the API, which responds at once: reads requests and sends responses slowly, like uploads, downloads and
//! event streams.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// The interval between the events of `/api/events`.
pub const EVENT_INTERVAL: Duration = Duration::from_millis(100);
/// The length of the response at `/api/download`: more than all buffers on its way can hold.
pub const DOWNLOAD_BYTES: usize = 32 << 20;

static CHUNK: [u8; 64 << 10] = [b'x'; 64 << 10];
const EVENTS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Starts it, and returns its address. It serves until the process exits:
///
/// - `/api/events`: an event at each [`EVENT_INTERVAL`], without end;
/// - `/api/rare-events`: an event at each fiftieth [`EVENT_INTERVAL`], without end;
/// - `/api/download`: [`DOWNLOAD_BYTES`], as fast as they are read;
/// - `/api/socket`: after an upgrade, received bytes are sent back;
/// - anything else: the number of bytes of the body, after its end.
pub fn start() -> SocketAddr {
    let (sender, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async move {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
            // A thousand clients connect at once: with the usual backlog of 128, those that a busy machine does not
            // accept in time would wait for one second or three.
            let listener = socket.listen(4096).expect("a listener");
            sender
                .send(listener.local_addr().expect("an address"))
                .expect("it is waited for");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
    });
    address.recv().expect("it listens")
}

/// Serves one connection. The error is why it ended.
async fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let head = read_head(&mut stream).await?;
        let target = head.split(' ').nth(1).unwrap_or_default();
        match target {
            "/api/events" => send_events(&mut stream, EVENT_INTERVAL).await?,
            "/api/rare-events" => send_events(&mut stream, 50 * EVENT_INTERVAL).await?,
            "/api/download" => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {DOWNLOAD_BYTES}\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                for _ in 0..DOWNLOAD_BYTES / CHUNK.len() {
                    stream.write_all(&CHUNK).await?;
                }
            }
            "/api/socket" => {
                stream
                    .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
                    .await?;
                loop {
                    let byte = stream.read_u8().await?;
                    stream.write_all(&[byte]).await?;
                }
            }
            _ => {
                let received = read_body(&mut stream, &head).await?;
                respond(&mut stream, format!("{{\"received\":{received}}}").as_bytes()).await?;
            }
        }
    }
}

async fn send_events(stream: &mut BufReader<TcpStream>, interval: Duration) -> io::Result<()> {
    stream.write_all(EVENTS).await?;
    loop {
        stream.write_all(b"9\r\ndata: x\n\n\r\n").await?;
        tokio::time::sleep(interval).await;
    }
}

async fn respond(stream: &mut BufReader<TcpStream>, body: &[u8]) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await
}

/// Reads a head, in lower case, up to the empty line.
async fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).to_ascii_lowercase())
}

/// Reads the body of a request, and returns its length in bytes.
async fn read_body(stream: &mut BufReader<TcpStream>, head: &str) -> io::Result<usize> {
    let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if let Some(length) = value("content-length:") {
        let length = length.parse().map_err(io::Error::other)?;
        stream.read_exact(&mut vec![0; length]).await?;
        return Ok(length);
    }
    if value("transfer-encoding:").is_none() {
        return Ok(0);
    }
    let mut received = 0;
    loop {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.push(stream.read_u8().await?);
        }
        let size = usize::from_str_radix(String::from_utf8_lossy(&size).trim(), 16).map_err(io::Error::other)?;
        // The line end of the chunk.
        stream.read_exact(&mut vec![0; size + 2]).await?;
        received += size;
        if size == 0 {
            return Ok(received);
        }
    }
}
