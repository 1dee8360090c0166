//! Grammar: the bytes of an HTTP/1 connection in, whether they may pass out.
//!
//! Stricter than the parser behind it in every respect and laxer in none: whatever passes here is
//! framed there in the same way. What is refused is what RFC 9112 lets a recipient mend and two
//! recipients mend differently: lines that end in LF alone, folded fields, blanks around names,
//! lengths given twice or beside a transfer coding, codings other than `chunked`.

use memchr::memchr;

/// Longest line of a chunk's size, its extension included.
const MAX_CHUNK_LINE: usize = 256;
/// Most fields behind the last chunk.
const MAX_TRAILERS: usize = 64;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a request; one empty line may come first (RFC 9112 section 2.2).
    Start { blank: bool },
    /// Among the fields of a head.
    Fields(Framing),
    /// In a body that has so many bytes left.
    Body(u64),
    /// Before the size of a chunk.
    ChunkSize,
    /// In a chunk that has so many bytes left.
    Chunk(u64),
    /// Behind a chunk's data.
    ChunkEnd,
    /// Behind the last chunk: so many fields and bytes of them have come.
    Trailers { fields: usize, bytes: usize },
}

/// What the head has said of the body so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Framing {
    is_1_0: bool,
    length: Option<u64>,
    chunked: bool,
}

/// Breaks the grammar; the position tells how many bytes may still pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken(pub(super) usize);

/// Checks one connection, in whatever pieces it comes.
#[derive(Debug)]
pub(super) struct Grammar {
    state: State,
    /// A line whose end hasn't come; empty between lines.
    unfinished: Vec<u8>,
    /// Longest line of a head.
    max_line: usize,
    /// Heads that have ended, wrapping.
    heads: u32,
}

impl Grammar {
    pub(super) fn new(max_line: usize) -> Self {
        Self {
            state: State::Start { blank: false },
            unfinished: Vec::new(),
            max_line,
            heads: 0,
        }
    }

    /// Whether a head has begun and not ended.
    pub(super) fn is_in_head(&self) -> bool {
        match self.state {
            State::Start { blank } => blank || !self.unfinished.is_empty(),
            State::Fields(_) => true,
            _ => false,
        }
    }

    /// Counts heads that have ended.
    pub(super) fn heads(&self) -> u32 {
        self.heads
    }

    /// Whether a request has begun and not ended.
    pub(super) fn is_in_request(&self) -> bool {
        self.is_in_head() || !matches!(self.state, State::Start { .. })
    }

    /// Whether the size of a chunk, or its extension, has begun or is next.
    pub(super) fn is_in_chunk_size(&self) -> bool {
        self.state == State::ChunkSize
    }

    /// Takes the next bytes. After an error the rest of the connection has no meaning.
    pub(super) fn check(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut at = 0;
        while at < bytes.len() {
            at += match self.state {
                State::Body(left) => {
                    let (taken, left) = skip(left, &bytes[at..]);
                    self.state = match left {
                        0 => State::Start { blank: false },
                        left => State::Body(left),
                    };
                    taken
                }
                State::Chunk(left) => {
                    let (taken, left) = skip(left, &bytes[at..]);
                    self.state = match left {
                        0 => State::ChunkEnd,
                        left => State::Chunk(left),
                    };
                    taken
                }
                _ => self
                    .line(&bytes[at..])
                    .map_err(|Broken(n)| Broken(at + n))?,
            };
        }
        Ok(())
    }

    /// Takes the next line, or what there is of it, and says how many bytes that was. A line is
    /// judged at its LF, without which the parser behind does nothing of consequence.
    fn line(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let limit = match self.state {
            State::ChunkSize => MAX_CHUNK_LINE,
            State::ChunkEnd => 2,
            _ => self.max_line,
        };
        let end = memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |lf| lf + 1);
        if self.unfinished.len() + taken > limit {
            return Err(Broken(end.unwrap_or_default()));
        }
        let Some(lf) = end else {
            self.unfinished.extend_from_slice(bytes);
            return Ok(taken);
        };
        let next = if self.unfinished.is_empty() {
            self.after(&bytes[..lf])
        } else {
            let mut line = std::mem::take(&mut self.unfinished);
            line.extend_from_slice(&bytes[..lf]);
            self.after(&line)
        };
        let next = next.ok_or(Broken(lf))?;
        if matches!(self.state, State::Fields(_)) && !matches!(next, State::Fields(_)) {
            self.heads = self.heads.wrapping_add(1);
        }
        self.state = next;
        Ok(taken)
    }

    /// What comes after a line, given without its LF; nothing when it may not pass.
    fn after(&self, line: &[u8]) -> Option<State> {
        let line = line.strip_suffix(b"\r")?;
        match self.state {
            State::Start { blank: false } if line.is_empty() => Some(State::Start { blank: true }),
            State::Start { .. } => request_line(line).map(State::Fields),
            State::Fields(framing) if line.is_empty() => Some(framing.body()),
            State::Fields(framing) => framing.field(line).map(State::Fields),
            State::ChunkSize => chunk_size(line),
            State::ChunkEnd => line.is_empty().then_some(State::ChunkSize),
            State::Trailers { .. } if line.is_empty() => Some(State::Start { blank: false }),
            State::Trailers { fields, bytes } => {
                let (name, _) = field(line)?;
                let (fields, bytes) = (fields + 1, bytes + line.len());
                let bounded = fields <= MAX_TRAILERS && bytes <= self.max_line;
                (bounded && !is_framing(name)).then_some(State::Trailers { fields, bytes })
            }
            State::Body(_) | State::Chunk(_) => None,
        }
    }
}

impl Framing {
    fn field(mut self, line: &[u8]) -> Option<Self> {
        let (name, value) = field(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.chunked || self.length.is_some() {
                return None;
            }
            self.length = Some(number(trim(value))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.is_1_0 || self.chunked || self.length.is_some() {
                return None;
            }
            self.chunked = trim(value).eq_ignore_ascii_case(b"chunked");
            return self.chunked.then_some(self);
        }
        Some(self)
    }

    fn body(self) -> State {
        match self.length {
            _ if self.chunked => State::ChunkSize,
            None | Some(0) => State::Start { blank: false },
            Some(length) => State::Body(length),
        }
    }
}

/// `method SP target SP HTTP/1.x`, with nothing but visible ASCII in between.
fn request_line(line: &[u8]) -> Option<Framing> {
    let (rest, is_1_0) = match line.strip_suffix(b" HTTP/1.1") {
        Some(rest) => (rest, false),
        None => (line.strip_suffix(b" HTTP/1.0")?, true),
    };
    let space = memchr(b' ', rest)?;
    let (method, target) = (&rest[..space], &rest[space + 1..]);
    let visible = !target.is_empty() && target.iter().all(u8::is_ascii_graphic);
    (is_token(method) && visible).then_some(Framing {
        is_1_0,
        ..Framing::default()
    })
}

/// `name:value`, the value with the blanks around it.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|&b| !TOKEN[usize::from(b)])?;
    let (name, rest) = line.split_at(end);
    let value = rest.strip_prefix(b":")?;
    (!name.is_empty() && is_text(value)).then_some((name, value))
}

fn is_framing(name: &[u8]) -> bool {
    let framing: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
    framing.iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// Hexadecimal digits, then nothing or an extension (RFC 9112 section 7.1.1).
fn chunk_size(line: &[u8]) -> Option<State> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at(digits);
    if digits > 16 || !(extension.is_empty() || extension[0] == b';' && is_text(extension)) {
        return None;
    }
    let size = std::str::from_utf8(size).ok()?;
    match u64::from_str_radix(size, 16).ok()? {
        0 => Some(State::Trailers {
            fields: 0,
            bytes: 0,
        }),
        size => Some(State::Chunk(size)),
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn skip(left: u64, bytes: &[u8]) -> (usize, u64) {
    let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    (taken, left - taken as u64)
}

/// Without the blanks around it.
fn trim(value: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().position(|b| !is_blank(b));
    let end = value.iter().rposition(|b| !is_blank(b));
    match (start, end) {
        (Some(start), Some(end)) => &value[start..=end],
        _ => &[],
    }
}

/// No control character but the tab. Written without an early end, so that it runs many bytes at a
/// time.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |bad, &b| {
        bad | ((b < b' ') & (b != b'\t')) | (b == 0x7f)
    })
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| TOKEN[usize::from(b)])
}

/// RFC 9110 section 5.6.2.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests;
