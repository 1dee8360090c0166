use super::*;

const MAX: usize = 8192;

/// How far the bytes pass, whole, in two pieces and byte by byte: the verdict is always the same.
/// Also whether a request is unfinished at the end.
fn verdict(bytes: &[u8]) -> (usize, bool) {
    let run = |pieces: &[&[u8]]| {
        let mut grammar = Grammar::new(MAX);
        let mut passed = 0;
        for piece in pieces {
            match grammar.check(piece) {
                Ok(()) => passed += piece.len(),
                Err(Broken(good)) => return (passed + good, true),
            }
        }
        (passed, grammar.is_in_request())
    };
    let whole = run(&[bytes]);
    for at in 0..=bytes.len() {
        let (first, second) = bytes.split_at(at);
        assert_eq!(run(&[first, second]), whole, "split at {at}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(run(&single), whole, "byte by byte");
    whole
}

#[track_caller]
fn passes(text: &str) {
    assert_eq!(verdict(text.as_bytes()), (text.len(), false), "{text:?}");
}

/// Breaks at the LF that stands where `|` does.
#[track_caller]
fn breaks(marked: &str) {
    let at = marked.find('|').unwrap();
    let text = marked.replacen('|', "", 1);
    assert_eq!(verdict(text.as_bytes()), (at, true), "{marked:?}");
}

/// As [`breaks`], in a field behind a good request line.
#[track_caller]
fn field_breaks(field: &str) {
    breaks(&format!(
        "POST / HTTP/1.1\r\nhost: a\r\n{field}\r|\n\r\nabc"
    ));
}

#[test]
fn good_requests() {
    passes("");
    passes("GET / HTTP/1.1\r\n\r\n");
    passes("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    passes("\r\nGET / HTTP/1.1\r\nhost: a\r\nx:\r\ny: \t \r\nz:\t1 2\t\r\n\r\n");
    passes("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n");
    passes("POST / HTTP/1.1\r\ncontent-length:0\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    passes("POST / HTTP/1.0\r\ncontent-length: 003 \r\n\r\n\n\n\n");
    passes("M-SEARCH http://a/%20?b#c HTTP/1.1\r\nx: \u{fc}\r\n\r\n");
}

#[test]
fn good_chunks() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n";
    for body in [
        "0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        "A\r\n0123456789\r\n00f\r\n\n\r\n\r\n\n\r\n\r\n\n\r\n\r\n\r\n000\r\n\r\n",
        "1;a=b\r\n\n\r\n0;last\r\n\r\n",
        "0\r\nx: y\r\nZ:\r\n\r\n",
    ] {
        passes(&format!("{head}{body}{head}{body}"));
    }
}

#[test]
fn unfinished_requests() {
    for text in [
        "G",
        "\r",
        "\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r",
        "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\na",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
    ] {
        assert_eq!(verdict(text.as_bytes()), (text.len(), true), "{text:?}");
    }
}

#[test]
fn request_lines() {
    for line in [
        " / HTTP/1.1\r",
        "GET  / HTTP/1.1\r",
        "GET /  HTTP/1.1\r",
        "GET / HTTP/1.1 \r",
        "GET /\tHTTP/1.1\r",
        "GET  HTTP/1.1\r",
        "GET HTTP/1.1\r",
        "GET /\r",
        "GET / HTTP/2.0\r",
        "GET / HTTP/1.2\r",
        "GET / http/1.1\r",
        "G(T / HTTP/1.1\r",
        "GET /\u{fc} HTTP/1.1\r",
        "GET /a b HTTP/1.1\r",
        "GET /\0 HTTP/1.1\r",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\r",
        "\0",
        "",
    ] {
        breaks(&format!("{line}|\nhost: a\r\n\r\n"));
    }
    breaks("\r\n\r|\nGET / HTTP/1.1\r\n\r\n");
    breaks("PRI * HTTP/2.0\r|\n\r\nSM\r\n\r\n");
}

#[test]
fn line_ends() {
    breaks("GET / HTTP/1.1\r\nhost: a|\n\r\n");
    breaks("GET / HTTP/1.1\r\nhost: a\r\n|\n");
    breaks("GET / HTTP/1.1\r\nhost: a\rb: c\r|\n\r\n");
    breaks("GET / HTTP/1.1\r\nhost: a\r\n\r\r|\n");
}

#[test]
fn fields() {
    for field in [
        " folded: a",
        "\tfolded",
        "a : b",
        "a\t: b",
        ": b",
        "a",
        "a b: c",
        "(a): b",
        "\u{fc}: b",
        "a: \0",
        "a: b\x01",
        "a: b\x7f",
        "a\0: b",
    ] {
        field_breaks(field);
    }
}

#[test]
fn lengths() {
    for field in [
        "content-length:",
        "content-length: -1",
        "content-length: +1",
        "content-length: 1 1",
        "content-length: 1, 1",
        "content-length: 0x1",
        "content-length: 1.0",
        "content-length: 9999999999999999999",
        "content-length: \u{661}",
        "Content-Length: 3\r\ncontent-length: 3",
        "Content-Length: 3\r\ncontent-length: 4",
        "Content-Length: 3\r\ntransfer-encoding: chunked",
        "Transfer-Encoding: chunked\r\ncontent-length: 3",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity",
        "transfer-encoding: xchunked",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: chunked;q=1",
        "transfer-encoding: \x0bchunked",
        "transfer-encoding:",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
    ] {
        field_breaks(field);
    }
    breaks("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r|\n\r\n0\r\n\r\n");
}

#[test]
fn chunks() {
    let head = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    let check = |body: &str| breaks(&format!("{head}{body}"));
    for size in [
        "",
        "g",
        "-1",
        "+1",
        "0x1",
        " 1",
        "1 ",
        "1 ;a",
        "1\t",
        "1,a",
        "1;\0",
        "1;a\x7f",
        "00000000000000001",
        "fffffffffffffffff",
    ] {
        check(&format!("{size}\r|\nx"));
    }
    check("1|\nx");
    check("1;a|\nx");
    check("1\r\nx|\n0\r\n\r\n");
    check("0\r\na: b|\n\r\n");
    check("0\r\n|\n");
    for trailer in [" a: b", "a : b", "a", "content-length: 1", "Host: a"] {
        check(&format!("0\r\n{trailer}\r|\n\r\n"));
    }
    let many = "a: b\r\n".repeat(MAX_TRAILERS);
    passes(&format!("{head}0\r\n{many}\r\n"));
    check(&format!("0\r\n{many}a: b\r|\n\r\n"));
    // How much of it passes depends on the pieces; that it ends there doesn't.
    let long = format!("{head}1;{}\r\n", "x".repeat(MAX_CHUNK_LINE));
    assert!(Grammar::new(MAX).check(long.as_bytes()).is_err());
}

/// What has no end is refused without being kept.
#[test]
fn endless_lines() {
    for start in [
        "",
        "GET / HTTP/1.1\r\nx: ",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
    ] {
        let mut grammar = Grammar::new(MAX);
        grammar.check(start.as_bytes()).unwrap();
        let ends = (0..MAX + 1).any(|_| grammar.check(b"x").is_err());
        assert!(ends, "{start:?}");
        assert!(grammar.unfinished.len() <= MAX);
    }
}
