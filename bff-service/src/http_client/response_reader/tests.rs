//! Valid and invalid responses, in pieces of any length.

use super::*;

/// Reads a response from a connection that then ends, in pieces of this many bytes. Returns the output, and how many
/// bytes belong to the response.
fn read_in_pieces(input: &[u8], piece: usize) -> Result<(Vec<u8>, usize, ResponseReader), Malformed> {
    let (mut reader, mut out, mut taken) = (ResponseReader::default(), Vec::new(), 0);
    for piece in input.chunks(piece) {
        taken += reader.read(piece, &mut out)?;
        if reader.is_complete() {
            return Ok((out, taken, reader));
        }
    }
    reader.end(&mut out)?;
    Ok((out, taken, reader))
}

/// The status line, fields and body of the output, which are the same for all pieces.
fn read(input: &[u8]) -> Result<(String, String, ResponseReader), Malformed> {
    let parts = |out: &[u8]| {
        let text = String::from_utf8(out.to_vec()).unwrap();
        let (head, mut rest) = text.split_once("\r\n\r\n").unwrap();
        let mut body = String::new();
        if head.contains("transfer-encoding: chunked") {
            while let Some((size, after)) = rest.split_once("\r\n") {
                let size = usize::from_str_radix(size, 16).unwrap();
                body += &after[..size];
                rest = &after[size + 2..];
            }
        }
        assert_eq!(rest, "", "nothing follows the body");
        (head.to_owned(), body)
    };
    let whole = read_in_pieces(input, usize::MAX);
    for piece in [1, 2, 3, 7] {
        match (&whole, read_in_pieces(input, piece)) {
            (Ok((out, taken, _)), Ok((other_out, other_taken, _))) => {
                assert_eq!(parts(out), parts(&other_out));
                assert_eq!(*taken, other_taken);
            }
            (Err(error), Err(other)) => assert_eq!(*error, other),
            (whole, pieces) => panic!("{whole:?}\n{pieces:?}"),
        }
    }
    let (out, _, reader) = whole?;
    let (head, body) = parts(&out);
    Ok((head, body, reader))
}

#[test]
fn a_response_with_a_length_is_passed_on_and_the_connection_may_be_used_again() {
    let (head, body, reader) = read(b"HTTP/1.1 200 OK\r\nX-A: b\r\ncontent-length: 5\r\n\r\nhello").unwrap();
    assert_eq!(head, "HTTP/1.1 200 \r\nX-A: b\r\ntransfer-encoding: chunked");
    assert_eq!(body, "hello");
    assert!(reader.is_reusable());
}

#[test]
fn what_follows_a_response_does_not_belong_to_it() {
    for (response, length) in [
        (
            &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"[..],
            40,
        ),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello", 46),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nmore",
            58,
        ),
    ] {
        for piece in [1, 5, usize::MAX] {
            let (_, taken, reader) = read_in_pieces(response, piece).unwrap();
            assert_eq!(taken, length, "{}", String::from_utf8_lossy(response));
            assert!(reader.is_complete());
        }
    }
}

#[test]
fn interim_responses_are_left_out_and_the_connection_is_not_used_again() {
    for interim in ["100 Continue", "102 Processing", "103 Early Hints", "199 Whatever"] {
        let response =
            format!("HTTP/1.1 {interim}\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        let (head, body, reader) = read(response.as_bytes()).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("link"), "{head}");
        assert_eq!(body, "ok");
        assert!(!reader.is_reusable());
    }
}

#[test]
fn interim_responses_are_bounded_in_number_and_bytes() {
    let end = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let many = |count: usize, fields: &str| {
        let interim = format!("HTTP/1.1 103 Early Hints\r\n{fields}\r\n").repeat(count);
        read_in_pieces((interim + end).as_bytes(), 1000).map(|(_, _, reader)| reader.is_complete())
    };
    assert_eq!(many(MAX_INTERIM_RESPONSES, ""), Ok(true));
    assert!(many(MAX_INTERIM_RESPONSES + 1, "").is_err());
    let fields = format!("x: {}\r\n", "y".repeat(MAX_HEAD_BYTES / 4));
    assert_eq!(many(3, &fields), Ok(true));
    assert!(many(4, &fields).is_err());
}

#[test]
fn switching_protocols_is_refused() {
    assert!(read(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n").is_err());
}

#[test]
fn a_response_without_length_ends_with_the_connection() {
    for head in ["HTTP/1.1 200 OK", "HTTP/1.0 200 OK"] {
        let (_, body, reader) = read(format!("{head}\r\n\r\nhello").as_bytes()).unwrap();
        assert_eq!(body, "hello");
        assert!(!reader.is_reusable());
    }
}

#[test]
fn chunks_may_have_extensions_and_trailers() {
    let response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
                     5 ;a=b\r\nhello\r\n0006;x\r\n world\r\n0\r\nexpires: never\r\netag: \"x\"\r\n\r\n";
    let (_, body, reader) = read(response).unwrap();
    assert_eq!(body, "hello world");
    assert!(reader.is_reusable());
}

#[test]
fn a_length_that_is_said_twice_alike_counts_once() {
    for lines in ["content-length: 2\r\ncontent-length: 2", "content-length: 2, 2"] {
        let response = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nok");
        assert_eq!(read(response.as_bytes()).unwrap().1, "ok");
    }
}

#[test]
fn a_connection_that_the_server_closes_or_whose_framing_is_doubtful_is_not_used_again() {
    for fields in [
        "connection: close\r\ncontent-length: 2\r\n\r\nok",
        "connection: x, Close\r\ncontent-length: 2\r\n\r\nok",
        "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let (head, body, reader) = read(format!("HTTP/1.1 200 OK\r\n{fields}").as_bytes()).unwrap();
        assert_eq!(body, "ok", "{fields}");
        assert!(!reader.is_reusable() && head.contains("connection: close"), "{fields}");
    }
    let (_, _, reader) = read(b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok").unwrap();
    assert!(!reader.is_reusable());
}

#[test]
fn a_folded_field_is_one_line() {
    let (head, ..) = read(b"HTTP/1.1 200 OK\r\nx-a: one\r\n two\r\ncontent-length: 0\r\n\r\n").unwrap();
    let value = head.lines().find_map(|line| line.strip_prefix("x-a: ")).unwrap();
    assert_eq!(value.split_whitespace().collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn what_is_malformed_or_cut_is_no_answer() {
    for response in [
        &b""[..],
        b"hello\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nno trailer\r\n\r\n",
    ] {
        assert!(read(response).is_err(), "{}", String::from_utf8_lossy(response));
    }
}

#[test]
fn heads_and_lines_without_end_are_refused_before_they_fill_the_memory() {
    for (begin, more) in [
        ("HTTP/1.1 200 OK\r\nx: ", "y"),
        ("HTTP/1.1 200 OK\r\n", "x: y\r\n"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", "y"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "x: y\r\n"),
    ] {
        let response = format!("{begin}{}", more.repeat(2 * MAX_HEAD_BYTES));
        let (mut reader, mut out) = (ResponseReader::default(), Vec::new());
        let rejected = response
            .as_bytes()
            .chunks(1000)
            .any(|piece| reader.read(piece, &mut out).is_err());
        assert!(rejected, "{begin}");
        assert!(reader.line.len() <= MAX_HEAD_BYTES);
    }
}
