//! Reads one HTTP/1.1 response from a connection (RFC 9112), and determines its end.
//!
//! The reader accepts bytes as they arrive, in any pieces, and writes the response in one form for the next parser:
//! without interim responses, with a chunked body or none, and with nothing after it. So only this file decides where a
//! response ends. It does no input or output.

/// Maximum length of all heads of one response, including interim ones, and its trailers, in bytes.
const MAX_HEAD_BYTES: usize = 128 * 1024;
/// Maximum number of header fields in one head.
const MAX_HEADERS: usize = 96;
/// Maximum number of interim responses before the final one.
const MAX_INTERIM_RESPONSES: usize = 32;
/// Maximum length of the line before a chunk, with its extensions, in bytes.
const MAX_CHUNK_LINE_BYTES: usize = 4096;
/// The end of a chunked body: the last chunk, without trailers.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Fields of the connection (RFC 9110, section 7.6.1) and of the framing, which are not copied to the output.
const OMITTED_FIELDS: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The data is not a response, or not a complete one. `Display` contains nothing of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(&'static str);

/// Reads one response.
#[derive(Debug)]
pub struct ResponseReader {
    state: ReadState,
    /// The received part of the head, or of the line.
    line: Vec<u8>,
    /// The start of the last line of the head.
    line_start: usize,
    head_bytes: usize,
    interim_responses: usize,
    is_reusable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadState {
    Head,
    /// The number of bytes of the body that are left.
    Length(u64),
    ChunkLine,
    /// The number of bytes of the chunk that are left.
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilClose,
    Complete,
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self {
            state: ReadState::Head,
            line: Vec::new(),
            line_start: 0,
            head_bytes: 0,
            interim_responses: 0,
            is_reusable: true,
        }
    }
}

impl ResponseReader {
    /// Whether the whole response has arrived.
    pub fn is_complete(&self) -> bool {
        self.state == ReadState::Complete
    }

    /// Whether the connection may be used for another request. After an interim response it must not be: a server that
    /// sends those may also send more than one final response.
    pub fn is_reusable(&self) -> bool {
        self.is_reusable
    }

    /// Processes `input`, and appends the output to `out`. Returns how many bytes belong to the response: those after
    /// them belong to no requested response.
    ///
    /// # Errors
    /// The bytes are not a response, or exceed a limit.
    pub fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let mut rest = input;
        while !rest.is_empty() && !self.is_complete() {
            let taken = match self.state {
                ReadState::Head => self.read_head(rest, out)?,
                ReadState::Length(left) => {
                    let taken = write_chunk(rest, left, out);
                    self.state = match left.saturating_sub(taken as u64) {
                        0 => complete(out),
                        left => ReadState::Length(left),
                    };
                    taken
                }
                ReadState::ChunkLine => self.read_chunk_line(rest)?,
                ReadState::Chunk(left) => {
                    let taken = write_chunk(rest, left, out);
                    self.state = match left.saturating_sub(taken as u64) {
                        0 => ReadState::ChunkEnd,
                        left => ReadState::Chunk(left),
                    };
                    taken
                }
                ReadState::ChunkEnd => self.read_chunk_end(rest)?,
                ReadState::Trailers => self.read_trailer(rest, out)?,
                ReadState::UntilClose => write_chunk(rest, u64::MAX, out),
                ReadState::Complete => break,
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(input.len() - rest.len())
    }

    /// The connection was closed without an error. This ends a body without length or chunks (RFC 9112, section 6.3, rule 8).
    /// Any other response is truncated.
    ///
    /// # Errors
    /// The response has not arrived completely.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match self.state {
            ReadState::Complete => Ok(()),
            ReadState::UntilClose => {
                self.state = complete(out);
                Ok(())
            }
            ReadState::Head if self.head_bytes == 0 => {
                Err(Malformed("the server closed the connection before the response"))
            }
            ReadState::Head
            | ReadState::Length(_)
            | ReadState::ChunkLine
            | ReadState::Chunk(_)
            | ReadState::ChunkEnd
            | ReadState::Trailers => Err(Malformed("the response was truncated")),
        }
    }

    /// Appends to the current line. Returns the number of bytes, and whether the line is complete.
    fn read_line(&mut self, input: &[u8], limit: usize) -> Result<(usize, bool), Malformed> {
        let end = memchr::memchr(b'\n', input).map(|position| position + 1);
        let taken = end.unwrap_or(input.len());
        if self.line.len() - self.line_start + taken > limit {
            return Err(Malformed("the response head, or a line of the body, is too long"));
        }
        self.line.extend(input.iter().take(taken));
        Ok((taken, end.is_some()))
    }

    /// Like [`Self::read_line`], with the limit of heads.
    fn read_head_line(&mut self, input: &[u8]) -> Result<(usize, bool), Malformed> {
        let line_bytes = self.line.len() - self.line_start;
        let (taken, is_whole) = self.read_line(input, line_bytes + MAX_HEAD_BYTES - self.head_bytes)?;
        self.head_bytes += taken;
        Ok((taken, is_whole))
    }

    fn read_head(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let (taken, is_whole) = self.read_head_line(input)?;
        if is_whole {
            let line = self.line.get(self.line_start..).unwrap_or_default();
            let is_end = is_empty_line(line);
            self.line_start = self.line.len();
            if is_end {
                self.line_start = 0;
                let head = std::mem::take(&mut self.line);
                self.take_head(&head, out)?;
            }
        }
        Ok(taken)
    }

    fn take_head(&mut self, head: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut fields);
        let mut parser = httparse::ParserConfig::default();
        parser
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true);
        let parsed = parser.parse_response(&mut response, head);
        let (Ok(httparse::Status::Complete(_)), Some(version), Some(status @ 100..)) =
            (parsed, response.version, response.code)
        else {
            return Err(Malformed("malformed response head"));
        };
        match status {
            // Any number of them may precede the response (RFC 9110, section 15.2). This reader limits the number.
            100..=199 if status != 101 => {
                self.is_reusable = false;
                self.interim_responses += 1;
                return match self.interim_responses > MAX_INTERIM_RESPONSES {
                    true => Err(Malformed("too many interim responses")),
                    false => Ok(()),
                };
            }
            101 => return Err(Malformed("the server switched protocols, which was not requested")),
            _ => {}
        }
        let body = self.framing(version, status, response.headers)?;
        self.is_reusable &= version == 1 && body != ReadState::UntilClose;
        out.extend(format!("HTTP/1.1 {status} \r\n").bytes());
        for field in response.headers.iter() {
            if !OMITTED_FIELDS.iter().any(|name| field.name.eq_ignore_ascii_case(name)) {
                out.extend(field.name.bytes());
                out.extend(b": ");
                // A folded value is one line (RFC 9112, section 5.2).
                out.extend(field.value.iter().map(|byte| match byte {
                    b'\r' | b'\n' => b' ',
                    byte => *byte,
                }));
                out.extend(b"\r\n");
            }
        }
        if !self.is_reusable {
            out.extend(b"connection: close\r\n");
        }
        out.extend(match body == ReadState::Complete {
            true => &b"content-length: 0\r\n\r\n"[..],
            false => b"transfer-encoding: chunked\r\n\r\n",
        });
        self.state = body;
        Ok(())
    }

    /// The framing of the body of a response to GET or POST (RFC 9112, section 6.3).
    fn framing(&mut self, version: u8, status: u16, fields: &[httparse::Header<'_>]) -> Result<ReadState, Malformed> {
        let elements = |name: &'static str| {
            let lines = fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
            lines.flat_map(|line| line.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii))
        };
        if elements("connection").any(|option| option.eq_ignore_ascii_case(b"close")) {
            self.is_reusable = false;
        }
        let mut length = None;
        for element in elements("content-length") {
            let is_number = !element.is_empty() && element.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(element).ok().filter(|_| is_number);
            let number: Option<u64> = number.and_then(|number| number.parse().ok());
            match (number, length) {
                (Some(number), None) => length = Some(number),
                (Some(number), Some(length)) if number == length => {}
                _ => {
                    return Err(Malformed("malformed or contradictory Content-Length"));
                }
            }
        }
        let mut is_chunked = false;
        for coding in elements("transfer-encoding") {
            match coding {
                // Neither an empty element nor `identity` is a coding.
                b"" => {}
                coding if coding.eq_ignore_ascii_case(b"identity") => {}
                coding if coding.eq_ignore_ascii_case(b"chunked") && !is_chunked && version == 1 => is_chunked = true,
                _ => return Err(Malformed("unsupported Transfer-Encoding")),
            }
        }
        Ok(match (status, is_chunked, length) {
            (204 | 304, ..) => ReadState::Complete,
            (_, true, length) => {
                // Chunks take precedence, and a server that sends both must not get another request on the connection
                // (RFC 9112, section 6.1).
                self.is_reusable &= length.is_none();
                ReadState::ChunkLine
            }
            (_, false, Some(0)) => ReadState::Complete,
            (_, false, Some(length)) => ReadState::Length(length),
            (_, false, None) => ReadState::UntilClose,
        })
    }

    fn read_chunk_line(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        let (taken, is_whole) = self.read_line(input, MAX_CHUNK_LINE_BYTES)?;
        if is_whole {
            let size = chunk_size(&self.line).ok_or(Malformed("malformed chunk in the response"))?;
            self.line.clear();
            self.state = match size {
                0 => ReadState::Trailers,
                size => ReadState::Chunk(size),
            };
        }
        Ok(taken)
    }

    fn read_chunk_end(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        let malformed = Malformed("malformed chunk in the response");
        let (taken, is_whole) = self.read_line(input, 2).map_err(|_| malformed)?;
        if is_whole {
            if self.line != b"\r\n" {
                return Err(malformed);
            }
            self.line.clear();
            self.state = ReadState::ChunkLine;
        }
        Ok(taken)
    }

    /// Reads and drops trailers, which the service does not need.
    fn read_trailer(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let (taken, is_whole) = self.read_head_line(input)?;
        if is_whole {
            match is_empty_line(&self.line) {
                true => self.state = complete(out),
                false if !self.line.contains(&b':') => return Err(Malformed("malformed trailer in the response")),
                false => {}
            }
            self.line.clear();
        }
        Ok(taken)
    }
}

/// Writes at most `left` bytes of the body as a chunk. Returns their number.
fn write_chunk(input: &[u8], left: u64, out: &mut Vec<u8>) -> usize {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    out.extend(format!("{taken:x}\r\n").bytes());
    out.extend(input.iter().take(taken));
    out.extend(b"\r\n");
    taken
}

fn complete(out: &mut Vec<u8>) -> ReadState {
    out.extend(LAST_CHUNK);
    ReadState::Complete
}

fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\n")
}

/// The size in the line before a chunk (RFC 9112, section 7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r\n").filter(|line| !line.contains(&b'\r'))?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extensions) = line.split_at_checked(digits)?;
    let extensions = extensions.trim_ascii_start();
    if !extensions.is_empty() && !extensions.starts_with(b";") {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()
}

#[cfg(test)]
mod tests;
