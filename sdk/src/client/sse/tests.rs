use proptest::prelude::*;

use super::*;

fn read(chunks: &[&[u8]]) -> Result<Vec<Frame>, SseError> {
    let mut parser = Parser::default();
    let mut frames = Vec::new();
    for chunk in chunks {
        frames.extend(parser.push(chunk)?);
    }
    Ok(frames)
}

#[track_caller]
fn check(stream: &str, expect: &[(&str, &str)]) {
    let frames = read(&[stream.as_bytes()]).unwrap();
    let got: Vec<(&str, &str)> = frames
        .iter()
        .map(|frame| (frame.event.as_str(), frame.data.as_str()))
        .collect();
    assert_eq!(got, expect, "{stream:?}");
}

#[test]
fn reads_what_the_specification_reads() {
    check("event: a\ndata: 1\n\n", &[("a", "1")]);
    check("data: 1\ndata: 2\n\n", &[("", "1\n2")]);
    check("data:  two\n\ndata:none\n\n", &[("", " two"), ("", "none")]);
    check(": keep-alive\n\n:\n\ndata: 1\n\n", &[("", "1")]);
    check(
        "data: 1\r\n\r\ndata: 2\r\rdata: 3\n\n",
        &[("", "1"), ("", "2"), ("", "3")],
    );
    check("\u{feff}data: 1\n\n", &[("", "1")]);
    check("id: 7\nretry: 10\nother\ndata: 1\n\n", &[("", "1")]);
    check("data\n\ndata:\ndata:\n\n", &[("", ""), ("", "\n")]);
}

#[test]
fn an_event_without_data_or_end_does_not_count() {
    check("event: a\n\ndata: 1\n\n", &[("", "1")]);
    check("data: 1\n\nevent: a\ndata: 2\n", &[("", "1")]);
}

#[test]
fn refuses_what_grows_without_end() {
    let line = vec![b'x'; MAX_BYTES + 1];
    assert_eq!(read(&[&line]), Err(SseError::TooLarge));
    let half = [b"data: ", vec![b'x'; MAX_BYTES / 2].as_slice(), b"\n"].concat();
    assert_eq!(read(&[&half, &half]), Err(SseError::TooLarge));
    assert_eq!(read(&[b"data: \xff\n"]), Err(SseError::NotUtf8));
}

fn cut(bytes: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let mut chunks = Vec::new();
    for size in sizes {
        let (chunk, more) = rest.split_at((*size).min(rest.len()));
        chunks.push(chunk.to_vec());
        rest = more;
    }
    chunks.push(rest.to_vec());
    chunks
}

fn read_cut(bytes: &[u8], sizes: &[usize]) -> Result<Vec<Frame>, SseError> {
    let chunks = cut(bytes, sizes);
    read(&chunks.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn chunks_change_nothing(
        bytes in prop::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b' '), any::<u8>()], 0..200),
        sizes in prop::collection::vec(0_usize..20, 0..40),
    ) {
        prop_assert_eq!(read_cut(&bytes, &sizes), read(&[&bytes]));
    }

    #[test]
    fn what_is_written_is_read(
        events in prop::collection::vec(
            ("[a-z]{1,8}", prop::collection::vec("[^\r\n]{0,20}", 1..4)), 0..6),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        sizes in prop::collection::vec(0_usize..20, 0..60),
    ) {
        let mut lines: Vec<String> = Vec::new();
        for (name, data) in &events {
            lines.push(": keep-alive".to_owned());
            lines.push(format!("event: {name}"));
            lines.extend(data.iter().map(|line| format!("data: {line}")));
            lines.push(String::new());
        }
        let stream: String = lines.iter().map(|line| format!("{line}{end}")).collect();
        let expect: Vec<Frame> = events
            .iter()
            .map(|(name, data)| Frame { event: name.clone(), data: data.join("\n") })
            .collect();
        prop_assert_eq!(read_cut(stream.as_bytes(), &sizes), Ok(expect));
    }
}
