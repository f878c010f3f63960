//! What a cluster's network does: endpoints have an address that is not loopback, because the API server refuses loopback
//! addresses, and names of Services resolve.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;

/// This machine's address in its network. No packet is sent.
pub(crate) fn own_address() -> Ipv4Addr {
    let chosen = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("198.51.100.1:9")?;
        socket.local_addr()
    });
    match chosen.map(|address| address.ip()) {
        Ok(IpAddr::V4(address)) if !address.is_loopback() => address,
        _ => panic!("no IPv4 address but loopback: give this machine an address, for example on a dummy interface"),
    }
}

/// Listens at this machine's own address, and forwards connections to a loopback address. Until the process exits.
pub(crate) fn forward(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((own_address(), 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || TcpStream::connect(to).and_then(|other| join(&stream, &other)));
        }
    });
    address
}

fn join(one: &TcpStream, other: &TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (one.try_clone()?, other.try_clone()?);
    let there = thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
        copied
    });
    let (mut from, mut to) = (other, one);
    let copied = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = there.join();
    copied.map(|_| ())
}

/// The DNS server of the cluster: Services are at loopback, because what listens for them here does. Returns its address.
pub(crate) fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(response) = query.get(..length).and_then(resolve) {
                let _ = socket.send_to(&response, from);
            }
        }
    });
    address
}

/// The response to a query (RFC 1035, section 4): for names below `svc.cluster.local` and type A one address, for everything
/// else none.
fn resolve(query: &[u8]) -> Option<Vec<u8>> {
    const HEADER_BYTES: usize = 12;
    const TYPE_A: [u8; 2] = [0, 1];
    let mut end = HEADER_BYTES;
    let mut labels = Vec::new();
    while let length @ 1.. = usize::from(*query.get(end)?) {
        labels.push(query.get(end + 1..end + 1 + length)?.to_ascii_lowercase());
        end += 1 + length;
    }
    let question = query.get(HEADER_BYTES..end + 5)?;
    let is_service = labels.ends_with(&[b"svc".to_vec(), b"cluster".to_vec(), b"local".to_vec()]);
    let is_known = is_service && query.get(end + 1..end + 3)? == TYPE_A;
    let mut response = query.get(..2)?.to_vec();
    // A response, recursion desired and available, no error; one question, at most one answer.
    response.extend([0x81, 0x80, 0, 1, 0, u8::from(is_known), 0, 0, 0, 0]);
    response.extend(question);
    if is_known {
        // The name of the question; type A, class IN, a second, four bytes.
        response.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        response.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some(response)
}
