use std::sync::mpsc::{self, Receiver, Sender};

use super::*;

const LONG: Duration = Duration::from_secs(30);

/// Says what each write wrote, and lets it end when it is let, if it has to wait.
struct Out {
    writes: Sender<String>,
    gate: Option<Receiver<()>>,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        // The test may have seen enough.
        let _ = self.writes.send(text);
        if let Some(gate) = &self.gate {
            // Opened for good when the other end is gone.
            let _ = gate.recv();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Written {
    batches: Batches,
    flush: Flush,
    writes: Receiver<String>,
    told: Receiver<u64>,
}

fn written(gate: Option<Receiver<()>>) -> Written {
    let (send, writes) = mpsc::channel();
    started(Out { writes: send, gate }, writes)
}

fn started(out: impl Write + Send + 'static, writes: Receiver<String>) -> Written {
    let (tell, told) = mpsc::channel();
    let (batches, flush) = Batches::start(out, move |lost| {
        let _ = tell.send(lost);
    })
    .unwrap();
    Written {
        batches,
        flush,
        writes,
        told,
    }
}

impl Batches {
    fn log(&self, line: &str) {
        let written = self.make_writer().write(line.as_bytes()).unwrap();
        assert_eq!(written, line.len());
    }
}

fn numbered(lines: std::ops::Range<usize>) -> String {
    lines.map(|n| format!("line {n}\n")).collect()
}

#[test]
fn lines_keep_their_order_and_the_last_one_gets_out() {
    let out = written(None);
    for n in 0..50_000 {
        out.batches.log(&format!("line {n}\n"));
    }
    drop(out.flush);
    let text: String = out.writes.try_iter().collect();
    assert_eq!(text, numbered(0..50_000));
}

#[test]
fn threads_do_not_mix_their_lines() {
    let out = written(None);
    thread::scope(|scope| {
        for thread in 0..4 {
            let batches = &out.batches;
            scope.spawn(move || {
                for n in 0..500 {
                    batches.log(&format!("{thread} {n}\n"));
                }
            });
        }
    });
    drop(out.flush);
    let text: String = out.writes.try_iter().collect();
    for thread in 0..4 {
        let own = format!("{thread} ");
        let found = text.lines().filter_map(|line| line.strip_prefix(&own));
        let wanted = (0..500).map(|n: i32| n.to_string());
        assert!(found.eq(wanted), "{thread}");
    }
    assert_eq!(text.lines().count(), 2000);
}

#[test]
fn a_line_leaves_by_itself() {
    let out = written(None);
    for line in ["one\n", "two\n"] {
        out.batches.log(line);
        assert_eq!(out.writes.recv_timeout(LONG).unwrap(), line);
    }
}

#[test]
fn what_comes_while_one_write_is_under_way_leaves_with_the_next() {
    let (open, gate) = mpsc::channel();
    let out = written(Some(gate));
    out.batches.log("first\n");
    assert_eq!(out.writes.recv_timeout(LONG).unwrap(), "first\n");
    for n in 0..1000 {
        out.batches.log(&format!("line {n}\n"));
    }
    drop(open);
    drop(out.flush);
    let writes: Vec<String> = out.writes.try_iter().collect();
    assert_eq!(writes, [numbered(0..1000)]);
}

#[test]
fn a_reader_that_hangs_holds_nobody_up_and_what_is_lost_is_told_once() {
    let (open, gate) = mpsc::channel();
    let out = written(Some(gate));
    let line = format!("{}\n", "x".repeat(1023));
    out.batches.log(&line);
    out.writes.recv_timeout(LONG).unwrap();
    let fit = ROOM / line.len();
    for _ in 0..fit + 7 {
        out.batches.log(&line);
    }
    assert_eq!(out.batches.dropped(), 7);
    assert!(out.told.try_recv().is_err());
    drop(open);
    assert_eq!(out.told.recv_timeout(LONG).unwrap(), 7);
    out.batches.log("after\n");
    drop(out.flush);
    let text: String = out.writes.try_iter().collect();
    assert_eq!(text.lines().count(), fit + 1);
    assert!(text.ends_with("after\n"));
    assert!(out.told.try_recv().is_err());
}

#[test]
fn errors_have_room_of_their_own() {
    let (open, gate) = mpsc::channel();
    let out = written(Some(gate));
    out.batches.log("first\n");
    out.writes.recv_timeout(LONG).unwrap();
    out.batches.log(&"x".repeat(ROOM));
    out.batches.log("lost\n");
    out.batches.0.push(b"an error\n", true);
    assert_eq!(out.batches.dropped(), 1);
    out.batches.0.push(&[b'x'; RESERVE], true);
    assert_eq!(out.batches.dropped(), 2);
    drop(open);
    drop(out.flush);
    let text: String = out.writes.try_iter().collect();
    assert!(text.ends_with("xan error\n"));
}

/// Fails until it is let go.
struct Broken(Receiver<()>, Sender<String>);

impl Write for Broken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let broken = matches!(self.0.try_recv(), Err(mpsc::TryRecvError::Empty));
        let _ = self.1.send(text);
        if broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_told_once_one_can() {
    let (heal, health) = mpsc::channel::<()>();
    let (send, writes) = mpsc::channel();
    let out = started(Broken(health, send), writes);
    let write = |line: &str| {
        out.batches.log(line);
        assert_eq!(out.writes.recv_timeout(LONG).unwrap(), line);
    };
    write("one\n");
    write("two\n");
    drop(heal);
    write("three\n");
    assert!(out.told.try_recv().is_err());
    write("four\n");
    assert_eq!(out.told.recv_timeout(LONG).unwrap(), 2);
    assert_eq!(out.batches.dropped(), 2);
}

/// Takes a byte at a time, every other time none.
struct Slow(bool, Sender<String>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = !self.0;
        if self.0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let _ = self.1.send(char::from(bytes[0]).to_string());
        Ok(1)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_taken_in_part_is_not_torn() {
    let (send, writes) = mpsc::channel();
    let out = started(Slow(false, send), writes);
    out.batches.log("ab\n");
    drop(out.flush);
    let text: String = out.writes.try_iter().collect();
    assert_eq!(text, "ab\n");
    assert_eq!(out.batches.dropped(), 0);
}

#[test]
fn a_reader_that_hangs_does_not_hold_up_the_end() {
    let (open, gate) = mpsc::channel();
    let out = written(Some(gate));
    out.batches.log("first\n");
    out.writes.recv_timeout(LONG).unwrap();
    out.batches.log("second\n");
    drop(out.flush);
    assert!(out.writes.try_recv().is_err());
    drop(open);
}
